"""The balance, and the transactions that make it up: the only place where money is written down.

There is a balance in each currency; nothing is converted.
"""

from __future__ import annotations

from typing import Any

from local.stripe_standin.errors import NotFound
from local.stripe_standin.operations import listing, operation
from local.stripe_standin.params import PAGE, RANGE, text
from local.stripe_standin.work import Thing, Work

AVAILABLE_AFTER = 2 * 86_400
"""Seconds until money can be paid out."""

_FILTERS = {**PAGE, "created": RANGE, "currency": text(), "source": text(), "type": text(), "payout": text()}


@operation("GET", "/v1/balance_transactions", _FILTERS)
def list_(work: Work, params: dict[str, Any]) -> Thing:
    return listing(
        work,
        "balance_transaction",
        params,
        "/v1/balance_transactions",
        currency=params.get("currency"),
        source=params.get("source"),
        type=params.get("type"),
    )


@operation("GET", "/v1/balance_transactions/{entry}")
def retrieve(work: Work, params: dict[str, Any], entry: str) -> Thing:
    found = work.find(entry)
    if found is None or found["object"] != "balance_transaction":
        raise NotFound.of("balance transaction", entry)
    return work.show(found)


@operation("GET", "/v1/balance")
def retrieve_balance(work: Work, params: dict[str, Any]) -> Thing:
    late = dict(
        work.store.rows("SELECT currency, sum(net) FROM objects WHERE available_on > ? GROUP BY currency", work.now)
    )
    totals = work.store.rows("SELECT currency, net FROM balances ORDER BY currency")
    return {
        "object": "balance",
        "livemode": False,
        "available": [_amount(currency, net - late.get(currency, 0)) for currency, net in totals],
        "pending": [_amount(currency, late.get(currency, 0)) for currency, _ in totals],
    }


def _amount(currency: str, amount: int) -> Thing:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def book(
    work: Work,
    source: Thing,
    *,
    kind: str,
    amount: int,
    fee: int = 0,
    category: str | None = None,
    description: str | None = None,
) -> Thing:
    """Write down what an object did to the balance: `amount` less `fee`, both signed."""
    entry = work.new(
        "balance_transaction",
        amount=amount,
        available_on=work.now + AVAILABLE_AFTER,
        currency=source["currency"],
        description=description,
        fee=fee,
        fee_details=[
            {
                "amount": fee,
                "application": None,
                "currency": source["currency"],
                "description": "Stripe processing fees" if kind == "charge" else "Dispute fee",
                "type": "stripe_fee",
            }
        ]
        if fee
        else [],
        net=amount - fee,
        reporting_category=category or kind,
        source=source["id"],
        type=kind,
    )
    work.store.run(
        "INSERT INTO balances VALUES (?, ?) ON CONFLICT (currency) DO UPDATE SET net = net + excluded.net",
        entry["currency"],
        entry["net"],
    )
    return entry
