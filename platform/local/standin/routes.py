"""Which address is which operation, and the parameters it has."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.standin.call import PAGE, Handler
from local.standin.resources import (
    books,
    customers,
    disputes,
    payment_intents,
    payment_methods,
    refunds,
    setup_intents,
    webhook_endpoints,
)


@dataclass(frozen=True)
class Route:
    """One operation; `public` ones may be called with a publishable key and a client_secret."""

    method: str
    path: str
    handler: Handler
    allowed: frozenset[str] = frozenset()
    public: bool = False

    def match(self, method: str, path: str) -> tuple[str, ...] | None:
        """Answer the ids in the path, when it is this route's."""
        if method != self.method:
            return None
        found = re.fullmatch(self.path.replace("{}", r"([^/]+)"), path)
        return found.groups() if found else None


def _set(*names: str) -> frozenset[str]:
    return frozenset(names)


SECRET = _set("client_secret")
METHOD = _set("payment_method", "payment_method_data", "payment_method_options", "mandate_data", "return_url")
SETUP = METHOD | _set(
    "automatic_payment_methods", "confirm", "customer", "description", "metadata", "payment_method_types", "usage", "use_stripe_sdk"
)  # fmt: skip
PAY = METHOD | _set(
    "amount", "automatic_payment_methods", "capture_method", "confirm", "confirmation_method", "currency", "customer",
    "description", "error_on_requires_action", "metadata", "off_session", "payment_method_types", "receipt_email",
    "setup_future_usage", "shipping", "statement_descriptor", "statement_descriptor_suffix", "use_stripe_sdk",
)  # fmt: skip
CARD = _set("type", "card", "billing_details", "metadata", "allow_redisplay")
CREATED = PAGE | {"created"}

ROUTES = (
    Route("POST", "/v1/customers", customers.create, customers.WRITABLE),
    Route("GET", "/v1/customers", customers.listing, CREATED | {"email"}),
    Route("GET", "/v1/customers/{}", customers.retrieve),
    Route("POST", "/v1/customers/{}", customers.update, customers.WRITABLE),
    Route("DELETE", "/v1/customers/{}", customers.delete),
    Route("GET", "/v1/customers/{}/payment_methods", customers.payment_methods, PAGE | {"type"}),
    Route("POST", "/v1/payment_methods", payment_methods.create, CARD, public=True),
    Route("GET", "/v1/payment_methods", payment_methods.listing, PAGE | {"customer", "type"}),
    Route("GET", "/v1/payment_methods/{}", payment_methods.retrieve),
    Route("POST", "/v1/payment_methods/{}", payment_methods.update, CARD),
    Route("POST", "/v1/payment_methods/{}/attach", payment_methods.attach, _set("customer")),
    Route("POST", "/v1/payment_methods/{}/detach", payment_methods.detach),
    Route("POST", "/v1/setup_intents", setup_intents.create, SETUP),
    Route("GET", "/v1/setup_intents", setup_intents.listing, CREATED | {"customer", "payment_method"}),
    Route("GET", "/v1/setup_intents/{}", setup_intents.retrieve, SECRET, public=True),
    Route("POST", "/v1/setup_intents/{}/confirm", setup_intents.confirm, METHOD | SECRET | {"use_stripe_sdk"}, public=True),
    Route("POST", "/v1/setup_intents/{}/cancel", setup_intents.cancel, _set("cancellation_reason")),
    Route("POST", "/v1/payment_intents", payment_intents.create, PAY),
    Route("GET", "/v1/payment_intents", payment_intents.listing, CREATED | {"customer"}),
    Route("GET", "/v1/payment_intents/{}", payment_intents.retrieve, SECRET, public=True),
    Route("POST", "/v1/payment_intents/{}", payment_intents.update, PAY),
    Route("POST", "/v1/payment_intents/{}/confirm", payment_intents.confirm, PAY | SECRET, public=True),
    Route("POST", "/v1/payment_intents/{}/cancel", payment_intents.cancel, _set("cancellation_reason")),
    Route("GET", "/v1/charges", books.charges, CREATED | {"customer", "payment_intent"}),
    Route("GET", "/v1/charges/{}", books.charge),
    Route("POST", "/v1/refunds", refunds.create, _set("amount", "charge", "metadata", "payment_intent", "reason")),
    Route("GET", "/v1/refunds", refunds.listing, CREATED | {"charge", "payment_intent"}),
    Route("GET", "/v1/refunds/{}", refunds.retrieve),
    Route("POST", "/v1/refunds/{}", refunds.update, _set("metadata")),
    Route("GET", "/v1/disputes", disputes.listing, CREATED | {"charge", "payment_intent"}),
    Route("GET", "/v1/disputes/{}", disputes.retrieve),
    Route("POST", "/v1/disputes/{}", disputes.update, _set("evidence", "metadata", "submit")),
    Route("POST", "/v1/disputes/{}/close", disputes.close),
    Route("GET", "/v1/balance", books.balance),
    Route("GET", "/v1/balance_transactions", books.balance_transactions, CREATED | {"currency", "source", "type", "payout"}),
    Route("GET", "/v1/balance_transactions/{}", books.balance_transaction),
    Route("GET", "/v1/radar/early_fraud_warnings", books.early_fraud_warnings, CREATED | {"charge", "payment_intent"}),
    Route("GET", "/v1/events", books.events, CREATED | {"type", "types", "delivery_success"}),
    Route("GET", "/v1/events/{}", books.event),
    Route("POST", "/v1/webhook_endpoints", webhook_endpoints.create, _set("url", "enabled_events", "description", "metadata")),
    Route("GET", "/v1/webhook_endpoints", webhook_endpoints.listing, PAGE),
    Route("GET", "/v1/webhook_endpoints/{}", webhook_endpoints.retrieve),
    Route("DELETE", "/v1/webhook_endpoints/{}", webhook_endpoints.delete),
)  # fmt: skip


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """Answer the route of an address with the ids in it."""
    for route in ROUTES:
        ids = route.match(method, path)
        if ids is not None:
            return route, ids
    return None
