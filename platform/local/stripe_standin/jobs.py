"""What happens by itself when the stand-in's clock has moved on: a refund settles, a dispute opens.

Jobs are rows, so they outlive the process; each is done in a transaction of its own that removes
its row, at the moment it was due rather than the moment it was noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from local.stripe_standin.work import Thing, Work

Job = Callable[[Work, Thing], object]
Registered = TypeVar("Registered", bound=Job)

JOBS: dict[str, Job] = {}


def job(name: str) -> Callable[[Registered], Registered]:
    """Register a job under the name that its rows carry."""

    def register(function: Registered) -> Registered:
        JOBS[name] = function
        return function

    return register
