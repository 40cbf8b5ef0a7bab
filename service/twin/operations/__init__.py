"""What a call does: one function per endpoint, a `Portal` and a `Call` in, an `Answer` out."""
