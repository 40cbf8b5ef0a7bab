"""Who gets in: tokens and scopes, limits, and keys that are being created at this moment."""
