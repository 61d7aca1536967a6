"""Facts about accounts that other apps react to. Ids and plain scalars only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SessionsEnded:
    """A sign-in ended: its owner or staff ended it, the password changed, the account went.

    One event for each sign-in. `device_id` is the device that was signed in by it.
    """

    account_id: str
    session_id: str
    device_id: str
