"""What must hold after any number of months, whatever happened in them: section by section of the billing rules.

Each invariant answers how many rows it looked at and which of them break it. What can be worked out anew is worked
out by other means than billing's own: boundaries by trying days, charges by the stand-in's books.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.models import TieOut
from local.simulation.invariants.books import Books
from local.simulation.invariants.changes import Changes
from local.simulation.invariants.checking import Check, Checked
from local.simulation.invariants.payments import Payments
from local.simulation.invariants.periods import Periods

EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """What became of one invariant: how many rows were looked at, and those that break it."""

    section: str
    name: str
    checked: int
    broken: tuple[str, ...]


class Invariants:
    """All of them, on what the database and the stand-in hold at `now`."""

    def __init__(
        self,
        *,
        now: datetime,
        charges: Sequence[dict[str, Any]],
        reports: Sequence[TieOut],
        named: Checked,
        entitlements: Checked,
    ) -> None:
        lived: tuple[Check, ...] = (
            ("4.21", "a clock jump bills the periods that the policy names", lambda: named),
            ("4.20", "a kept entitlement is the present one", lambda: entitlements),
        )
        self._all = (
            *Periods().checks(),
            *Payments(now=now, charges=charges).checks(),
            *Changes().checks(),
            *Books(charges=charges, reports=reports).checks(),
            *lived,
        )

    def findings(self) -> list[Finding]:
        """Check them all."""
        return [
            Finding(section, name, checked, tuple(map(str, broken)))
            for section, name, check in self._all
            for checked, broken in [check()]
        ]
