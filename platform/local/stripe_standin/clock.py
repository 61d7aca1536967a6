"""The stand-in's clock: real time, until it is driven."""

from __future__ import annotations

import time


class Clock:
    """Unix seconds. Once set it stands still and moves by `advance` alone, until released."""

    def __init__(self, frozen_at: int | None = None) -> None:
        self.frozen_at = frozen_at

    def now(self) -> int:
        return int(time.time()) if self.frozen_at is None else self.frozen_at

    def set(self, moment: int) -> None:
        self.frozen_at = moment

    def advance(self, seconds: int) -> None:
        self.frozen_at = self.now() + seconds

    def release(self) -> None:
        self.frozen_at = None
