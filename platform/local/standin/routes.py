"""Which address is which operation, and the parameters it has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from local.standin.call import Handler
from local.standin.resources import (
    books,
    charges,
    customers,
    disputes,
    files,
    intents,
    payment_intents,
    payment_methods,
    payouts,
    refunds,
    setup_intents,
    webhook_endpoints,
)
from local.standin.wire import Kind, boolean, instants, integer, members, metadata, one_of, text, texts


@dataclass(frozen=True)
class Route:
    """One operation; `public` ones may be called with a publishable key and a client_secret."""

    method: str
    path: str
    handler: Handler
    own: dict[str, Kind] = field(default_factory=dict)
    public: bool = False

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """Its parameters, with the one that all have."""
        return self.own | {"expand": texts}

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches its addresses."""
        return re.compile(self.path.replace("{}", "([^/]+)"))


PAGE: dict[str, Kind] = {"limit": integer, "starting_after": text, "ending_before": text}
CREATED = PAGE | {"created": instants}
SECRET: dict[str, Kind] = {"client_secret": text}
OF_CHARGE: dict[str, Kind] = {"charge": text, "payment_intent": text}
REFUND = OF_CHARGE | {"amount": integer, "metadata": metadata, "reason": one_of(*refunds.REASONS)}
EVIDENCE: dict[str, Kind] = {
    "evidence": members(**dict.fromkeys((*disputes.EVIDENCE, *disputes.FILES), text)),
    "metadata": metadata,
    "submit": boolean,
}
BOOKED: dict[str, Kind] = {"currency": text, "source": text, "type": text}
EVENT: dict[str, Kind] = {"type": text, "types": texts, "delivery_success": boolean}
ENDPOINT: dict[str, Kind] = {"url": text, "enabled_events": texts, "description": text, "metadata": metadata}

ROUTES = (
    Route("POST", "/v1/customers", customers.create, customers.KINDS),
    Route("GET", "/v1/customers", customers.listing, CREATED | {"email": text}),
    Route("GET", "/v1/customers/{}", customers.retrieve),
    Route("POST", "/v1/customers/{}", customers.update, customers.KINDS),
    Route("DELETE", "/v1/customers/{}", customers.delete),
    Route("GET", "/v1/customers/{}/payment_methods", customers.payment_methods, PAGE | {"type": text}),
    Route("POST", "/v1/payment_methods", payment_methods.create, payment_methods.KINDS, public=True),
    Route("GET", "/v1/payment_methods", payment_methods.listing, PAGE | {"customer": text, "type": text}),
    Route("GET", "/v1/payment_methods/{}", payment_methods.retrieve),
    Route("POST", "/v1/payment_methods/{}", payment_methods.update, payment_methods.CHANGES),
    Route("POST", "/v1/payment_methods/{}/attach", payment_methods.attach, {"customer": text}),
    Route("POST", "/v1/payment_methods/{}/detach", payment_methods.detach),
    Route("POST", "/v1/setup_intents", setup_intents.create, setup_intents.KINDS),
    Route("GET", "/v1/setup_intents", setup_intents.listing, CREATED | {"customer": text, "payment_method": text}),
    Route("GET", "/v1/setup_intents/{}", setup_intents.retrieve, SECRET, public=True),
    Route("POST", "/v1/setup_intents/{}/confirm", setup_intents.confirm, intents.METHOD | SECRET, public=True),
    Route("POST", "/v1/setup_intents/{}/cancel", setup_intents.cancel, intents.CANCEL),
    Route("POST", "/v1/payment_intents", payment_intents.create, payment_intents.KINDS),
    Route("GET", "/v1/payment_intents", payment_intents.listing, CREATED | {"customer": text}),
    Route("GET", "/v1/payment_intents/{}", payment_intents.retrieve, SECRET, public=True),
    Route("POST", "/v1/payment_intents/{}", payment_intents.update, payment_intents.CHANGES),
    Route(
        "POST", "/v1/payment_intents/{}/confirm", payment_intents.confirm, payment_intents.CONFIRM | SECRET, public=True
    ),
    Route("POST", "/v1/payment_intents/{}/cancel", payment_intents.cancel, intents.CANCEL),
    Route("GET", "/v1/charges", charges.listing, CREATED | {"customer": text, "payment_intent": text}),
    Route("GET", "/v1/charges/{}", charges.retrieve),
    Route("POST", "/v1/refunds", refunds.create, REFUND),
    Route("GET", "/v1/refunds", refunds.listing, CREATED | OF_CHARGE),
    Route("GET", "/v1/refunds/{}", refunds.retrieve),
    Route("POST", "/v1/refunds/{}", refunds.update, {"metadata": metadata}),
    Route("GET", "/v1/disputes", disputes.listing, CREATED | OF_CHARGE),
    Route("GET", "/v1/disputes/{}", disputes.retrieve),
    Route("POST", "/v1/disputes/{}", disputes.update, EVIDENCE),
    Route("POST", "/v1/disputes/{}/close", disputes.close),
    Route("POST", "/v1/files", files.create, files.KINDS),
    Route("GET", "/v1/files/{}", files.retrieve),
    Route("POST", "/v1/payouts", payouts.create, payouts.KINDS),
    Route("GET", "/v1/payouts", payouts.listing, CREATED | payouts.LISTED),
    Route("GET", "/v1/payouts/{}", payouts.retrieve),
    Route("GET", "/v1/balance", books.balance),
    Route("GET", "/v1/balance_transactions", books.balance_transactions, CREATED | BOOKED),
    Route("GET", "/v1/balance_transactions/{}", books.balance_transaction),
    Route("GET", "/v1/radar/early_fraud_warnings", books.early_fraud_warnings, PAGE | OF_CHARGE),
    Route("GET", "/v1/radar/early_fraud_warnings/{}", books.early_fraud_warning),
    Route("GET", "/v1/events", books.events, CREATED | EVENT),
    Route("GET", "/v1/events/{}", books.event),
    Route("POST", "/v1/webhook_endpoints", webhook_endpoints.create, ENDPOINT),
    Route("GET", "/v1/webhook_endpoints", webhook_endpoints.listing, PAGE),
    Route("GET", "/v1/webhook_endpoints/{}", webhook_endpoints.retrieve),
    Route("DELETE", "/v1/webhook_endpoints/{}", webhook_endpoints.delete),
)


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """Answer the route of an address with the ids in it."""
    for route in ROUTES:
        if route.method == method and (found := route.pattern.fullmatch(path)):
            return route, found.groups()
    return None
