"""Facts about accounts that other apps react to. Ids and plain scalars only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProfileDeleted:
    """A profile is gone, and what is personal on it is to go too."""

    account_id: str
    profile_id: str


@dataclass(frozen=True)
class ProfileTransferred:
    """A profile belongs to another account now, with all that hangs on its id.

    What is kept by profile id alone needs nothing; what names the account beside it is changed to `to_account_id`.
    It is among the receiving account's events, before any later one of that profile.
    """

    profile_id: str
    from_account_id: str
    to_account_id: str


@dataclass(frozen=True)
class SessionsEnded:
    """A sign-in ended: its owner or staff ended it, the password changed, the account went.

    One event for each sign-in. `device_id` is the device that was signed in by it.
    """

    account_id: str
    session_id: str
    device_id: str


@dataclass(frozen=True)
class AccountDeletionRequested:
    """The owner asked for the account to be deleted; it may be taken back until the erasure begins."""

    account_id: str


@dataclass(frozen=True)
class AccountDeletionCancelled:
    """The owner took the deletion back: everything goes on as before."""

    account_id: str


@dataclass(frozen=True)
class AccountErased:
    """The person is gone from every app; what the law keeps refers to an id without a name."""

    account_id: str


@dataclass(frozen=True)
class AccountCountryChanged:
    """The owner says that the household lives in another country; which one is read from the account."""

    account_id: str
