"""Idempotency keys (https://docs.stripe.com/api/idempotent_requests).

The status and body of a key's first executed request are kept for a day, in the transaction that
holds its effect, and answered to every repetition. Another request under the same key is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from local.stripe_standin.errors import InvalidParameter, KeyReused
from local.stripe_standin.store import Store

KEPT = 24 * 3600
"""Seconds, by the stand-in's clock; afterwards the same key is a new request."""

LONGEST = 255


@dataclass(frozen=True)
class Reply:
    """A status and a body, and the request that was first answered with them."""

    status: int
    body: bytes
    request: str


@dataclass(frozen=True)
class Key:
    """An idempotency key with the request it came with."""

    key: str
    path: str
    fingerprint: bytes

    @classmethod
    def of(cls, header: str | None, path: str, body: str) -> Key | None:
        """Answer the key of a POST, if it has one; raises InvalidParameter for one that is too long."""
        if header is None:
            return None
        if not 1 <= len(header) <= LONGEST:
            raise InvalidParameter(f"Idempotency keys have 1 to {LONGEST} characters; this one has {len(header)}.")
        return cls(header, path, sha256("&".join(sorted(body.split("&"))).encode()).digest())

    def recall(self, store: Store, now: int) -> Reply | None:
        """Answer what was answered before; raises KeyReused if that was another request."""
        row = store.row(
            "SELECT path, fingerprint, status, body, request FROM replies WHERE key = ? AND created > ?",
            self.key,
            now - KEPT,
        )
        if row is None:
            return None
        path, fingerprint, status, body, request = row
        if path != self.path:
            raise KeyReused(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for "
                f"('{self.path}' vs '{path}'). Try using a key other than '{self.key}' if you meant to execute a "
                "different request."
            )
        if fingerprint != self.fingerprint:
            raise KeyReused(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{self.key}' if you meant to execute a different request."
            )
        return Reply(status, body, request)

    def remember(self, store: Store, reply: Reply, now: int) -> None:
        """Keep a reply; to be called in the transaction of its effect."""
        store.run(
            "INSERT OR REPLACE INTO replies (key, path, fingerprint, created, status, body, request) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            self.key,
            self.path,
            self.fingerprint,
            now,
            reply.status,
            reply.body,
            reply.request,
        )


def forget_old(store: Store, now: int) -> None:
    """Delete replies that are kept no longer."""
    store.run("DELETE FROM replies WHERE created <= ?", now - KEPT)
