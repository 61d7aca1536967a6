"""How recently somebody proved to be the owner of the account: sensitive acts ask for it.

django-allauth notes in the session each proof that it was given: a sign-in, and the password, code or
passkey that was asked for again (`auth/reauthenticate`, `auth/2fa/reauthenticate`, ...). Its endpoints and
ours go by the same rule. Read from the session itself and never from a cache: it changes within a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.account import app_settings
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

_OWNER = "account_authentication_methods_user"
"""Whose proofs a session holds, as allauth names it."""


def proved_at(session: Mapping[str, Any] | Any, *, account_id: UUID) -> datetime | None:
    """Answer when the account's owner last gave a proof in this session; None if never."""
    if session.get(_OWNER) != str(account_id):
        return None
    records = session.get(AUTHENTICATION_METHODS_SESSION_KEY)
    if not isinstance(records, list) or not records:
        return None
    return datetime.fromtimestamp(max(record["at"] for record in records), UTC)


def is_recent(session: Mapping[str, Any] | Any, *, account_id: UUID, now: datetime) -> bool:
    """Answer whether the last proof is young enough for a sensitive act."""
    proved = proved_at(session, account_id=account_id)
    return proved is not None and now - proved < timedelta(seconds=app_settings.REAUTHENTICATION_TIMEOUT)


def session_of(session_key: str) -> SessionStore:
    """Answer a session's data, freshly read."""
    return SessionStore(session_key)
