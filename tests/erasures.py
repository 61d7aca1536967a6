"""What an erasure notes, for tests that ask one app alone."""

from __future__ import annotations

from collections import Counter


class Tally(Counter[str]):
    """Counts rows by model, as the record of an erasure does."""

    def __call__(self, model: str, rows: int) -> None:
        if rows:
            self[model] += rows
