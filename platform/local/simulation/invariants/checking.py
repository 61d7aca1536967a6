"""What an invariant answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

A_DAY = timedelta(days=1)

Checked = tuple[int, Iterable[object]]
"""How many rows were looked at, and those that break it."""

Check = tuple[str, str, Callable[[], Checked]]
"""Its section of the billing rules, its name, and what checks it."""
