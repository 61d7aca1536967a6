"""A request's one way: authenticate, idempotency, handler, commit, answer."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

import orjson

from local.standin import routes
from local.standin.call import Call
from local.standin.resources import disputes, refunds
from local.standin.store import Object
from local.standin.wire import Params, StripeError, decode, refuse_unknown
from local.standin.world import World

KEPT = 24 * 3600
"""Seconds an idempotency key is remembered."""

EXPANDABLE = {"latest_charge": "charge", "balance_transaction": "balance_transaction", "charge": "charge",
              "payment_method": "payment_method", "customer": "customer", "payment_intent": "payment_intent"}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    replayed: bool = False


class Api:
    """The operations over one world; called by one thread."""

    def __init__(self, world: World, *, secret_key: str, publishable_key: str) -> None:
        self.world = world
        self.secret_key = secret_key
        self.publishable_key = publishable_key
        self.in_flight: set[str] = set()
        """Idempotency keys of requests under way."""

    def answer(
        self, method: str, path: str, *, query: str, body: str, authorization: str, key: str | None, request_id: str,
        fail_after: bool = False,
    ) -> Answer:  # fmt: skip
        """Carry a request out. `fail_after` answers 500 although everything was done."""
        try:
            public = self._authenticate(authorization)
            found = routes.find(method, path)
            if found is None:
                raise StripeError(f"Unrecognized request URL ({method}: {path}).", status=404)
            route, ids = found
            if public and not route.public:
                raise StripeError(
                    "This API call cannot be made with a publishable API key.", status=403, code="secret_key_required"
                )
            params = decode(body if method == "POST" else query)
            refuse_unknown(params, route.allowed)
            if method != "POST" or key is None:
                call = Call(self.world, params, request_id, public=public, ids=ids)
                return self._execute(route, call, fail_after=fail_after)
            if not 1 <= len(key) <= 255:
                raise StripeError(
                    "Keys for idempotent requests have 1 to 255 characters.", code="idempotency_key_invalid"
                )
            fingerprint = hashlib.sha256(f"{method} {path}\n{body}".encode()).hexdigest()
            if (known := self._remembered(key, fingerprint)) is not None:
                return known
            call = Call(self.world, params, request_id, idempotency_key=key, public=public, ids=ids)
            return self._execute(route, call, fail_after=fail_after, remember=(key, fingerprint))
        except StripeError as error:
            return _error(error, request_id)

    def work_off(self) -> None:
        """Do what has become due on the clock: disputes, refunds that settle."""
        while True:
            with self.world.store.transaction():
                due = self.world.take_due()
                for what, object_id in due:
                    self._do(what, object_id)
            if not due:
                return

    def _do(self, what: str, object_id: str) -> None:
        match what.split(":"):
            case ["dispute", "early_fraud_warning"]:
                disputes.warn(self.world, object_id)
            case ["dispute", reason]:
                disputes.open_on(self.world, object_id, reason=reason)
            case ["refund", outcome]:
                refunds.finish(self.world, object_id, succeeded=outcome == "succeeded")
            case ["decide", outcome]:
                disputes.decide(self.world, object_id, won=outcome == "won")

    def _authenticate(self, header: str) -> bool:
        """Answer whether the caller is a client with the publishable key."""
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "basic":
            try:
                value = base64.b64decode(value).decode().removesuffix(":")
            except ValueError:
                value = ""
        if not value:
            raise StripeError(
                "You did not provide an API key. Provide it in the Authorization header: 'Authorization: Bearer YOUR_SECRET_KEY'.",
                status=401,
            )
        if value not in {self.secret_key, self.publishable_key}:
            raise StripeError(f"Invalid API Key provided: {value[:8]}***", status=401)
        return value == self.publishable_key

    def _remembered(self, key: str, fingerprint: str) -> Answer | None:
        row = self.world.store.db.execute(
            "SELECT fingerprint, status, body FROM idempotency WHERE key = ? AND at > ?", (key, self.world.now() - KEPT)
        ).fetchone()
        if row is None:
            return None
        if row[0] != fingerprint:
            raise StripeError(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        return Answer(row[1], row[2], replayed=True)

    def _execute(
        self, route: routes.Route, call: Call, *, fail_after: bool, remember: tuple[str, str] | None = None
    ) -> Answer:
        with self.world.store.transaction():
            try:
                answered = Answer(200, orjson.dumps(self._expanded(route.handler(call), call.params)))
            except StripeError as error:
                if not error.stored:
                    raise
                answered = _error(error, call.request_id)
            if fail_after:
                answered = internal_error(call.request_id)
            if remember is not None:
                self.world.store.db.execute(
                    "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)",
                    (*remember, answered.status, answered.body, self.world.now()),
                )
        return answered

    def _expanded(self, body: Object, params: Params) -> Object:
        wanted = params.get("expand") or []
        if not isinstance(wanted, list):
            raise StripeError("Invalid array", param="expand")
        for path in wanted:
            self._expand(body, str(path).split("."))
        return body

    def _expand(self, body: Object, path: list[str]) -> None:
        name, *rest = path
        if name == "data" and body.get("object") == "list":
            for entry in body["data"]:
                self._expand(entry, rest)
            return
        if name not in body or name not in EXPANDABLE:
            raise StripeError(f"This property cannot be expanded ({name}).", param="expand")
        if isinstance(body[name], str):
            body[name] = self.world.store.find(EXPANDABLE[name], body[name]) or body[name]
        if rest and isinstance(body[name], dict):
            self._expand(body[name], rest)


def _error(error: StripeError, request_id: str) -> Answer:
    body = {**error.body, "request_log_url": f"https://dashboard.stripe.com/test/logs/{request_id}"}
    return Answer(error.status, orjson.dumps({"error": body}))


def internal_error(request_id: str) -> Answer:
    """Answer Stripe's 500."""
    return _error(StripeError("An unknown error occurred.", status=500, kind="api_error"), request_id)


def rate_limited(request_id: str) -> Answer:
    """Answer Stripe's 429."""
    return _error(StripeError("Request rate limit exceeded.", status=429, code="rate_limit"), request_id)


def key_in_use(key: str, request_id: str) -> Answer:
    """Answer the 409 for a key whose first request still runs."""
    return _error(
        StripeError(
            f"There is currently another in-progress request using this Idempotency Key ({key}).",
            status=409,
            kind="idempotency_error",
            code="idempotency_key_in_use",
        ),
        request_id,
    )
