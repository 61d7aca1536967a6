"""Answers of the catalogue, kept in Valkey for a minute at most.

An answer is kept under what it depends on (address, country, languages, audience), with the generation of
the catalogue: a random word that every change takes away after its commit. Whoever makes an answer reads the generation
before the tables, so what was read before a change is kept with a word that is the present one no more. An
answer also ends at the next instant at which any licence of its country begins or ends.

Valkey may be away: then nothing is kept, and every answer is made.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
import orjson
from django.db import connection, transaction

from catalog.selectors.availability import next_boundary
from core.revocable import RevocableCache, State

LARGEST = 512 * 1024
"""Bytes of the largest answer that is kept."""
_cache = RevocableCache("catalogue")
_CURRENT = "generation"


class Kept(msgspec.Struct, array_like=True):
    """An answer's body as JSON, a digest of it, of which generation it is, and until when it holds, in seconds since 1970."""

    body: bytes
    digest: str
    generation: str = ""
    until: float = 0.0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Kept)


def changed() -> None:
    """Say that something in the catalogue changes; kept answers end with the commit of the present transaction."""
    if not any(entry[1] is _forget for entry in connection.run_on_commit):
        transaction.on_commit(_forget)


def answer(
    key: Sequence[Any],
    country: str,
    now: datetime,
    make: Callable[[], Any],
    *,
    ends: Callable[[], datetime | None] = lambda: None,
) -> Kept:
    """Answer what `make` answers, or made before under this key, if it is the same still.

    `ends` answers when it will be another for a reason of its own, beside the country's licences.
    """
    if connection.in_atomic_block:
        # What is read here may never be committed.
        return _made(make)
    name = f"answer:{sha256(orjson.dumps(key)).hexdigest()}"
    current, found = _cache.read_all([_CURRENT, name])
    if (generation := _generation(current)) is None:
        return _made(make)
    if isinstance(found, bytes):
        kept = _decoder.decode(found)
        if kept.generation == generation and kept.until > now.timestamp():
            return kept
        _cache.forget([name])
    lease = _cache.lease(name)
    made = _made(make)
    if lease is not None and len(made.body) <= LARGEST:
        made.generation = generation
        made.until = min(filter(None, (next_boundary(country, now), ends()))).timestamp()
        _cache.fill(name, lease, _encoder.encode(made))
    return made


def _generation(found: bytes | State) -> str | None:
    """Answer the catalogue's generation as it was found, or a new one; None when nothing is to be kept just now."""
    if isinstance(found, bytes):
        return found.decode()
    if found is State.ENDED or (lease := _cache.lease(_CURRENT)) is None:
        return None
    generation = secrets.token_urlsafe(12)
    _cache.fill(_CURRENT, lease, generation.encode())
    return generation


def _made(make: Callable[[], Any]) -> Kept:
    body = orjson.dumps(make())
    return Kept(body, sha256(body).hexdigest()[:32])


def _forget() -> None:
    _cache.forget([_CURRENT])
