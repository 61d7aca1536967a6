"""Errors as Stripe words them: status, type, code, message, parameter."""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """An answer other than 200.

    A request that raises leaves nothing behind, unless `keeps_effect`. `is_stored` says whether its
    answer is kept under the idempotency key: what was refused before it was executed is not.
    """

    status = 400
    type = "invalid_request_error"
    keeps_effect = False
    is_stored = True

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.fields = fields

    def body(self, request_id: str) -> dict[str, Any]:
        """Answer the JSON body; Stripe leaves out what is null."""
        error = {
            "type": self.type,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "request_log_url": f"https://dashboard.stripe.com/test/logs/{request_id}",
            **self.fields,
        }
        if self.code:
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        return {"error": {name: value for name, value in error.items() if value is not None}}


class InvalidRequest(StripeError):
    """The request cannot be done in the present state of things."""


class InvalidParameter(StripeError):
    """A parameter is unknown, missing or malformed: refused before anything is executed."""

    is_stored = False


class NotFound(StripeError):
    """No such object."""

    status = 404

    @classmethod
    def of(cls, kind: str, object_id: str, *, param: str = "id") -> NotFound:
        """Answer the error for an id that names no object of this kind."""
        return cls(f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


class Unauthorized(StripeError):
    """No key, or a wrong one."""

    status = 401
    is_stored = False


class Forbidden(StripeError):
    """A key that may not do this."""

    status = 403
    is_stored = False


class CardError(StripeError):
    """The card was declined. The failed charge and the intent's error are kept."""

    status = 402
    type = "card_error"
    keeps_effect = True


class KeyReused(StripeError):
    """An idempotency key came back with another request than its first."""

    type = "idempotency_error"
    is_stored = False


class KeyInUse(StripeError):
    """A request with the same idempotency key is still being executed."""

    status = 409
    type = "idempotency_error"
    is_stored = False

    def __init__(self, key: str) -> None:
        super().__init__(
            "There is currently another in-progress request using this Idempotent Key (that probably means you "
            f"submitted twice, and the other request is still going through): {key}. Please try again later.",
            code="idempotency_key_in_use",
        )


class RateLimited(StripeError):
    """Too many requests a second."""

    status = 429
    is_stored = False

    def __init__(self) -> None:
        super().__init__(
            "Request rate limit exceeded. Learn more about rate limits: https://stripe.com/docs/rate-limits.",
            code="rate_limit",
        )


class ServerFailed(StripeError):
    """Stripe's own failure. Kept under the key like any other answer."""

    status = 500
    type = "api_error"

    def __init__(self) -> None:
        super().__init__("Sorry! There was an error while talking to one of our backends. Support has been notified.")
