"""The one way of a request: authenticate, limit, recall, fault, check, execute, commit, reply."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import secrets
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from local.stripe_standin import webhooks
from local.stripe_standin.clock import Clock
from local.stripe_standin.errors import (
    Forbidden,
    InvalidParameter,
    KeyInUse,
    NotFound,
    RateLimited,
    ServerFailed,
    StripeError,
    Unauthorized,
)
from local.stripe_standin.faults import Faults
from local.stripe_standin.idempotency import Key, Reply, forget_old
from local.stripe_standin.jobs import JOBS
from local.stripe_standin.operations import Operation, expand
from local.stripe_standin.params import check, decode
from local.stripe_standin.resources.events import API_VERSION
from local.stripe_standin.server import Connection, HangUp
from local.stripe_standin.store import Store
from local.stripe_standin.work import Thing, Work

LARGEST_BODY = 1_000_000
LOOKS_EVERY = 0.1
"""Seconds between looks for what has become due."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keys:
    """The API keys that are accepted."""

    secret: str = "sk_test_local"  # noqa: S105 - opens a stand-in
    publishable: str = "pk_test_local"


@dataclass(frozen=True)
class Call:
    """One request as it arrived."""

    operation: Operation
    ids: dict[str, str]
    path: str
    query: str
    body: str
    request: str
    by_client: bool


class Api:
    """The stand-in behind its HTTP endpoints. Everything but waiting happens on one thread."""

    def __init__(self, store: Store, keys: Keys, *, record: Path | None = None) -> None:
        self.store = store
        self.keys = keys
        frozen_at = store.setting("clock")
        self.clock = Clock(int(frozen_at) if frozen_at else None)
        self.faults = Faults()
        self.counters: Counter[str] = Counter()
        self.deliverer = webhooks.Deliverer(store, self.clock, lambda: self.faults.webhooks)
        self._executing: set[str] = set()
        self._record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if record else None

    async def serve(self, operation: Operation, request: Request) -> Response:
        """Answer a request for an operation."""
        request_id = f"req_{secrets.token_hex(7)}"
        try:
            call = await self._receive(operation, request, request_id)
            reply, replayed = await self._answer(call, request.headers.get("idempotency-key"))
        except HangUp:
            self.counters["hung up"] += 1
            connection: Connection = request.state.connection
            return connection.hang_up()
        except StripeError as error:
            reply, replayed = _error(error, request_id), False
        self.counters[f"{operation.method} {operation.path} {reply.status}"] += 1
        return _respond(reply, request_id, replayed=replayed)

    async def unknown(self, request: Request) -> Response:
        """Answer a request for nothing that Stripe has, or nothing that the stand-in has of it."""
        request_id = f"req_{secrets.token_hex(7)}"
        error = NotFound(f"Unrecognized request URL ({request.method}: {request.url.path}).")
        return _respond(_error(error, request_id), request_id)

    # ------------------------------------------------ step by step

    async def _receive(self, operation: Operation, request: Request, request_id: str) -> Call:
        raw = await request.body()
        if len(raw) > LARGEST_BODY:
            raise InvalidParameter("The request is too large.")
        body, query = raw.decode("utf-8", "replace"), request.url.query
        by_client = self._authenticate(request.headers.get("authorization"), operation)
        if not by_client:
            self._write_down(operation.method, request.url.path, query, body)
        return Call(operation, dict(request.path_params), request.url.path, query, body, request_id, by_client)

    def _authenticate(self, header: str | None, operation: Operation) -> bool:
        """Answer whether the caller is a client, with the publishable key."""
        key = _api_key(header)
        if key == self.keys.secret:
            return False
        if key != self.keys.publishable:
            raise Unauthorized(f"Invalid API Key provided: {key[:8]}{'*' * 8}{key[-4:]}")
        if not operation.for_clients:
            raise Forbidden(
                "This API call cannot be made with a publishable API key. Please use a secret API key.",
                code="secret_key_required",
            )
        return True

    def _write_down(self, method: str, path: str, query: str, body: str) -> None:
        """Record what the platform asks; what clients ask with the publishable key is Stripe.js's own affair."""
        if self._record is not None:
            line = {"method": method, "path": path, "query": query, "body": body}
            # One write to an appending file: the lines of several servers do not interleave.
            os.write(self._record, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    async def _answer(self, call: Call, key_header: str | None) -> tuple[Reply, bool]:
        """Answer the reply, and whether it is a replay."""
        method, path = call.operation.method, call.path
        if not self.faults.rate.admits(f"{method} {call.operation.path}"):
            raise RateLimited
        faults = self.faults.striking(method, path)
        if "refused" in faults:
            raise HangUp
        if "rate_limited" in faults:
            raise RateLimited
        key = Key.of(key_header, path, call.body) if method == "POST" else None
        if key is not None and key.key in self._executing:
            raise KeyInUse(key.key)
        reply = key.recall(self.store, self.clock.now()) if key else None
        replayed = reply is not None
        holds = {key.key} if key and not replayed else set()
        self._executing |= holds
        try:
            if "latency" in faults:
                await asyncio.sleep(faults["latency"].seconds)
            if reply is None:
                reply = self._execute(call, key, fails=[name for name in faults if name.startswith("error_")])
        finally:
            self._executing -= holds
        if "lost_reply" in faults:
            raise HangUp
        return reply, replayed

    def _execute(self, call: Call, key: Key | None, *, fails: list[str]) -> Reply:
        now = self.clock.now()
        params = check(call.operation.params, decode(call.body if call.operation.method == "POST" else call.query))
        with self.store.transaction():
            work = Work(self.store, now, request=call.request, key=key.key if key else None)
            self.store.run("SAVEPOINT effect")
            try:
                if "error_before" in fails:
                    raise ServerFailed
                if call.by_client:
                    _check_client_secret(work, call.ids, params)
                thing = call.operation.handler(work, params, **call.ids)
                self._conclude(work)
                reply = Reply(200, orjson.dumps(expand(work, thing, params.get("expand", []))), call.request)
            except StripeError as error:
                if not error.is_stored:
                    raise
                if isinstance(error, NotFound) and str(error.param).partition("[")[0] in params:
                    # Missing is the address alone; an unknown id in a parameter is a bad request.
                    error.status = 400
                if error.keeps_effect:
                    self._conclude(work)
                else:
                    self.store.run("ROLLBACK TO effect")
                reply = _error(error, call.request)
            except Exception:
                log.exception("The stand-in failed at %s %s", call.operation.method, call.path)
                raise
            if "error_after" in fails:
                reply = _error(ServerFailed(), call.request)
            if key:
                key.remember(self.store, reply, now)
        self.deliverer.woken.set()
        return reply

    def _conclude(self, work: Work) -> None:
        work.flush()
        webhooks.enqueue(work, self.faults.webhooks, self.faults.chance)

    # ------------------------------------------------ what happens by itself

    def change(self, action: Any, *arguments: Any, **options: Any) -> Any:
        """Do `action(work, ...)` in a transaction of its own, with its events and webhooks."""
        with self.store.transaction():
            work = Work(self.store, self.clock.now())
            answer = action(work, *arguments, **options)
            self._conclude(work)
        self.deliverer.woken.set()
        return answer

    def run_jobs(self) -> int:
        """Do what has become due, in its order and at its time; answers how many."""
        done = 0
        while row := self.store.row(
            "SELECT seq, due, name, object FROM jobs WHERE due <= ? ORDER BY due, seq LIMIT 1", self.clock.now()
        ):
            number, due, name, object_id = row
            with self.store.transaction():
                self.store.run("DELETE FROM jobs WHERE seq = ?", number)
                work = Work(self.store, due)
                thing = work.find(object_id)
                if thing is not None and not thing.get("deleted"):
                    JOBS[name](work, thing)
                self._conclude(work)
            done += 1
        if done:
            self.deliverer.woken.set()
        return done

    async def keep_house(self) -> None:
        """Do what is due, and forget what is kept no longer, for ever."""
        for look in count():
            self.run_jobs()
            if look % 600 == 0:
                forget_old(self.store, self.clock.now())
            await asyncio.sleep(LOOKS_EVERY)

    def move_clock(self) -> None:
        """Keep where the clock was moved to, and let happen what has become due."""
        frozen_at = self.clock.frozen_at
        self.store.set_setting("clock", None if frozen_at is None else str(frozen_at))
        self.run_jobs()


def _api_key(header: str | None) -> str:
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value).decode().partition(":")[0]
        except ValueError:
            value = ""
    if not value:
        raise Unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer "
            "auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    return value


def _check_client_secret(work: Work, ids: dict[str, str], params: Thing) -> None:
    """Let a client act on an intent whose secret it shows, and on nothing else."""
    if "intent" not in ids:
        return
    intent = work.find(ids["intent"])
    if "client_secret" not in params:
        raise InvalidParameter(
            "Missing required param: client_secret.", code="parameter_missing", param="client_secret"
        )
    if intent is None or params["client_secret"] != intent.get("client_secret"):
        raise InvalidParameter(
            "The client_secret provided does not match any associated intent on this account.",
            code="resource_missing",
            param="client_secret",
        )


def _error(error: StripeError, request_id: str) -> Reply:
    return Reply(error.status, orjson.dumps(error.body(request_id)), request_id)


def _respond(reply: Reply, request_id: str, *, replayed: bool = False) -> Response:
    headers = {
        "Content-Type": "application/json",
        "Request-Id": request_id,
        "Stripe-Version": API_VERSION,
    }
    if replayed:
        headers |= {"Idempotent-Replayed": "true", "Original-Request": reply.request}
    if reply.status in {409, 429}:
        headers["Stripe-Should-Retry"] = "true"
    elif reply.status >= 500 or replayed:
        # The same key would be answered the same.
        headers["Stripe-Should-Retry"] = "false"
    return Response(reply.body, reply.status, headers)
