"""Requests that count once, however often they are sent (IETF draft-ietf-httpapi-idempotency-key-header).

A service that moves money or starts a playback claims the request's key as the first statement of
the transaction that inserts its intent, whose unique `request_key` column is `RequestKey.id`:

    with transaction.atomic():
        idempotency.claim(request_key, now=now)
        intent, _ = Intent.objects.get_or_create(request_key=request_key.id, defaults=...)
    # outside: call the other company's server, then record the outcome in the intent

Key and intent commit together, so whoever comes after a killed process finds the intent and goes on
with it. While a claim's lease lives, other requests with the key are refused (RequestInProgress);
afterwards one of them takes the claim over. The final answer is kept for a day and given again.
`core.api.idempotency` does all but the claim for views.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import orjson
from django.conf import settings
from django.db import connection, transaction

from core.errors import DomainError
from core.models import IdempotencyKey
from core.personal_data import Contributor, Stream, Tally

KEPT_FOR = timedelta(hours=24)
_PURGED_AT_ONCE = 5_000


class RequestInProgress(DomainError):
    """Another request with this Idempotency-Key is at work; `retry_after` says for how many seconds at most."""

    code = "idempotency_in_progress"
    title = "A request with this Idempotency-Key is in progress. Send it again later."
    status = 409


class KeyReused(DomainError):
    """This Idempotency-Key came with another body before; another operation needs another key."""

    code = "idempotency_key_reused"
    title = "This Idempotency-Key was sent with another body. Use a new key for another operation."
    status = 422


class AlreadyAnswered(DomainError):
    """The request was answered meanwhile; `core.api.idempotency` gives that answer again."""

    code = "idempotency_answered"
    title = "A request with this Idempotency-Key was answered already."
    status = 409

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True)
class RequestKey:
    """A client's key for one operation of one account, with one body.

    `id` goes into the intent's unique `request_key`: the same account, operation, key and body make
    the same id for ever, also after the answer was forgotten.
    """

    id: UUID
    row_id: UUID
    account_id: UUID
    fingerprint: bytes
    holder: UUID = field(default_factory=uuid4)
    answered: bool = False

    @classmethod
    def of(cls, *, account_id: UUID, operation: str, key: str, body: Any) -> RequestKey:
        """Make the key of a request. `operation` is method and route; `body` is the JSON value that was sent."""
        row_id = _digest(str(account_id), operation, key)
        fingerprint = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()
        return cls(_digest(str(row_id), fingerprint.hex()), row_id, account_id, fingerprint)


def _digest(*parts: str) -> UUID:
    """Make an id of what cannot be confused with other parts; version 8 (RFC 9562) says that it is our own kind."""
    digest = bytearray(hashlib.sha256(orjson.dumps(parts)).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))


@dataclass(frozen=True)
class Answer:
    """A final answer: status 200 to 499 without 429. `body` is None when it must be made again from the intent."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None

    FINAL: ClassVar[range] = range(200, 500)

    @classmethod
    def is_final(cls, status: int) -> bool:
        """Answer whether a retry would be answered the same."""
        return status in cls.FINAL and status != 429


def claim(request_key: RequestKey, *, now: datetime) -> None:
    """Make the caller the one who executes this request, for as long as the lease lives.

    To be called first in the transaction that inserts the intent; two callers at once wait for each
    other here. Does nothing for a request that was answered and whose answer is made again. Raises
    RequestInProgress, KeyReused, AlreadyAnswered; and TransactionManagementError outside a transaction.
    """
    if request_key.answered:
        return
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Claim in the transaction that inserts the intent.")
    with connection.cursor() as cursor:
        # One statement, so that nothing comes between looking and taking.
        cursor.execute(
            """
            INSERT INTO core_idempotencykey AS held (id, account_id, fingerprint, holder, leased_until, expires_at)
            VALUES (%(id)s, %(account)s, %(fingerprint)s, %(holder)s, %(leased_until)s, %(expires_at)s)
            ON CONFLICT (id) DO UPDATE SET
                fingerprint = excluded.fingerprint, holder = excluded.holder,
                leased_until = excluded.leased_until, expires_at = excluded.expires_at,
                status = NULL, headers = NULL, body = NULL
            WHERE held.expires_at <= %(now)s OR held.holder = excluded.holder OR (
                held.status IS NULL AND held.leased_until <= %(now)s AND held.fingerprint = excluded.fingerprint
            )
            """,
            {
                "id": request_key.row_id,
                "account": request_key.account_id,
                "fingerprint": request_key.fingerprint,
                "holder": request_key.holder,
                "leased_until": now + timedelta(seconds=settings.IDEMPOTENCY_LEASE_SECONDS),
                "expires_at": now + KEPT_FOR,
                "now": now,
            },
        )
        claimed = cursor.rowcount == 1
    if not claimed:
        if answer := find(request_key, now=now):
            raise AlreadyAnswered(answer)
        # Answered, expired or taken over between the two statements: the next request will see.
        raise RequestInProgress(retry_after=1)


def find(request_key: RequestKey, *, now: datetime) -> Answer | None:
    """Answer how the request was answered; None if it may be executed.

    Raises RequestInProgress while another execution's lease lives, KeyReused for another body.
    """
    held = IdempotencyKey.objects.filter(pk=request_key.row_id, expires_at__gt=now).first()
    if held is None:
        return None
    if bytes(held.fingerprint) != request_key.fingerprint:
        raise KeyReused
    if held.status is not None:
        return Answer(held.status, held.headers or {}, None if held.body is None else bytes(held.body))
    if held.leased_until > now:
        raise RequestInProgress(retry_after=max(1, round((held.leased_until - now).total_seconds())))
    return None


def keep(request_key: RequestKey, answer: Answer, *, now: datetime) -> bool:
    """Keep the final answer for a day; False if this execution holds no claim.

    It holds none when its service refused before anything was committed, which a retry may find
    otherwise, or when its lease ended and another took over.
    """
    return bool(
        IdempotencyKey.objects.filter(pk=request_key.row_id, holder=request_key.holder, status=None).update(
            status=answer.status, headers=dict(answer.headers), body=answer.body, expires_at=now + KEPT_FOR
        )
    )


def release(request_key: RequestKey, *, now: datetime) -> None:
    """End the lease of an execution that gave no final answer, so that a retry need not wait for it."""
    IdempotencyKey.objects.filter(
        pk=request_key.row_id, holder=request_key.holder, status=None, leased_until__gt=now
    ).update(leased_until=now)


def is_claimed(request_key: RequestKey) -> bool:
    """Answer whether anybody has claimed this key."""
    return IdempotencyKey.objects.filter(pk=request_key.row_id).exists()


def making_again(request_key: RequestKey) -> RequestKey:
    """Answer the key of an answered request whose answer is to be made again from its intent."""
    return replace(request_key, answered=True)


def purge(*, now: datetime) -> int:
    """Delete what has expired, some thousand rows a transaction; answers how many."""
    purged = 0
    while True:
        due = IdempotencyKey.objects.filter(expires_at__lte=now).order_by("expires_at")
        # A row that is being claimed anew at this moment is left to its claimant.
        with transaction.atomic():
            ids = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:_PURGED_AT_ONCE])
            purged += IdempotencyKey.objects.filter(pk__in=ids).delete()[0]
        if len(ids) < _PURGED_AT_ONCE:
            return purged


def _erase(*, account_id: UUID, now: datetime, tally: Tally) -> None:
    """Forget an account's keys and the answers kept for them."""
    with transaction.atomic():
        tally("core.IdempotencyKey", IdempotencyKey.objects.filter(account_id=account_id).delete()[0])


def _export(*, account_id: UUID) -> Iterable[Stream]:
    """Answer nothing: a kept answer repeats for a day what the apps export from their own tables."""
    return ()


CONTRIBUTOR = Contributor("core", _export, _erase, covers=frozenset({"core.IdempotencyKey"}))
