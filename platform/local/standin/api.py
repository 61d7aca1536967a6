"""A request's one way: authenticate, idempotency, handler, commit, answer."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
from dataclasses import dataclass, field

import orjson

from local.standin import routes
from local.standin.call import Call
from local.standin.resources import disputes, refunds
from local.standin.store import Object
from local.standin.wire import Params, StripeError, decode, read_params
from local.standin.world import World

KEPT = 24 * 3600
"""Seconds an idempotency key is remembered."""

EXPANDABLE = {
    "balance_transaction": ("balance_transaction",),
    "charge": ("charge",),
    "customer": ("customer", "deleted_customer"),
    "failure_balance_transaction": ("balance_transaction",),
    "latest_charge": ("charge",),
    "payment_intent": ("payment_intent",),
    "payment_method": ("payment_method",),
    "source": ("charge", "refund", "dispute", "payout"),
}
"""Members that hold an id, with the kinds of object that it may name."""


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    authorization: str = ""
    key: str | None = None
    """The Idempotency-Key of a POST."""
    base: str = ""
    id: str = field(default_factory=lambda: f"req_{secrets.token_hex(7)}")


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

    def answer(self, request: Request, *, fail_after: bool = False) -> Answer:
        """Carry a request out. `fail_after` answers 500 although everything was done."""
        try:
            public = self.is_public(request.authorization)
            route, call = self._read(request, public=public)
            if call.idempotency_key is None:
                return self._execute(route, call, fail_after=fail_after)
            fingerprint = hashlib.sha256(request.body.encode()).hexdigest()
            identity = (call.idempotency_key, f"{request.method} {request.path}", fingerprint)
            return self._remembered(*identity) or self._execute(route, call, fail_after=fail_after, remember=identity)
        except StripeError as error:
            return error_answer(error, request.id)

    def is_public(self, authorization: str) -> bool:
        """Answer whether a caller is a client with the publishable key; raises the 401 for a stranger."""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                value = base64.b64decode(value).decode().removesuffix(":")
            except ValueError:
                value = ""
        if not value:
            raise StripeError(
                "You did not provide an API key. Provide it in the Authorization header: "
                "'Authorization: Bearer YOUR_SECRET_KEY'.",
                status=401,
            )
        if value not in (self.secret_key, self.publishable_key):
            raise StripeError(f"Invalid API Key provided: {value[:8]}***", status=401)
        return value == self.publishable_key

    def work_off(self) -> None:
        """Do what follows by itself from earlier requests: disputes, refunds that settle."""
        while self.world.has_todo():
            with self.world.transaction():
                for what, object_id in self.world.take_todo():
                    # What has been overtaken, a dispute of a charge that is disputed already, is no more to do.
                    with contextlib.suppress(StripeError):
                        self._do(what, object_id)

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

    def _read(self, request: Request, *, public: bool) -> tuple[routes.Route, Call]:
        """Answer the operation with its call; raises the error of a wrong address or parameter."""
        found = routes.find(request.method, request.path)
        if found is None:
            raise StripeError(f"Unrecognized request URL ({request.method}: {request.path}).", status=404)
        route, ids = found
        if public and not route.public:
            raise StripeError(
                "This API call cannot be made with a publishable API key.", status=403, code="secret_key_required"
            )
        if request.key is not None and not 1 <= len(request.key) <= 255:
            raise StripeError("Keys for idempotent requests have 1 to 255 characters.", code="idempotency_key_invalid")
        params = read_params(decode(request.body if request.method == "POST" else request.query), route.kinds)
        return route, Call(self.world, params, request.id, request.key, public=public, base=request.base, ids=ids)

    def _remembered(self, key: str, route: str, fingerprint: str) -> Answer | None:
        row = self.world.store.db.execute(
            "SELECT route, fingerprint, status, body FROM idempotency WHERE key = ? AND at > ?",
            (key, self.world.now() - KEPT),
        ).fetchone()
        if row is None:
            return None
        for same, what in (
            (row[0] == route, "for the same endpoint"),
            (row[1] == fingerprint, "with the same parameters"),
        ):
            if not same:
                raise StripeError(
                    f"Keys for idempotent requests can only be used {what} they were first used with. "
                    f"Try using a key other than '{key}' if you meant to execute a different request.",
                    kind="idempotency_error",
                )
        return Answer(row[2], row[3], replayed=True)

    def _execute(
        self, route: routes.Route, call: Call, *, fail_after: bool, remember: tuple[str, str, str] | None = None
    ) -> Answer:
        with self.world.transaction():
            try:
                answered = Answer(200, orjson.dumps(self._expanded(route.handler(call), call.params)))
            except StripeError as error:
                if not error.stored:
                    raise
                answered = error_answer(error, call.request_id)
            if fail_after:
                answered = internal_error(call.request_id)
            if remember is not None:
                self.world.store.db.execute(
                    "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?)",
                    (*remember, answered.status, answered.body, self.world.now()),
                )
        return answered

    # ------------------------------------------------ expand

    def _expanded(self, body: Object, params: Params) -> Object:
        for path in params.get("expand", []):
            self._expand(body, path.split("."))
        return body

    def _expand(self, body: Object, path: list[str]) -> None:
        name, *rest = path
        if name == "data" and body.get("object") == "list" and rest:
            for entry in body["data"]:
                self._expand(entry, rest)
            return
        if name not in body or name not in EXPANDABLE:
            raise StripeError(f"This property cannot be expanded ({name}).", param="expand")
        if isinstance(body[name], str):
            found = (self.world.store.find(kind, body[name]) for kind in EXPANDABLE[name])
            body[name] = next(filter(None, found), body[name])
        if rest and isinstance(body[name], dict):
            self._expand(body[name], rest)


def error_answer(error: StripeError, request_id: str) -> Answer:
    """Answer an error as Stripe words it."""
    body = error.body | {"request_log_url": f"https://dashboard.stripe.com/test/logs/{request_id}"}
    return Answer(error.status, orjson.dumps({"error": body}))


def internal_error(request_id: str) -> Answer:
    """Answer Stripe's 500."""
    return error_answer(StripeError("An unknown error occurred.", status=500, kind="api_error"), request_id)


def rate_limited(request_id: str) -> Answer:
    """Answer Stripe's 429."""
    return error_answer(StripeError("Request rate limit exceeded.", status=429, code="rate_limit"), request_id)


def key_in_use(key: str, request_id: str) -> Answer:
    """Answer the 409 for a key whose first request still runs."""
    return error_answer(
        StripeError(
            f"There is currently another in-progress request using this Idempotency Key ({key}).",
            status=409,
            kind="idempotency_error",
            code="idempotency_key_in_use",
        ),
        request_id,
    )
