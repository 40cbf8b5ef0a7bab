"""Links between records, both ways."""


class Links:
    """Which records are linked, by type."""

    def __init__(self) -> None:
        """No links."""
        self.pairs: dict[tuple[str, str], dict[str, dict[str, set[int]]]] = {}

    def clear(self) -> None:
        """Forget all links."""
        self.pairs.clear()
