"""Billing periods of subscriptions, in batches: period, numbered invoice, line, first attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.models import Invoice, InvoiceLine, PaymentAttempt, Period
from billing.services import _rows, crediting, ledger
from billing.services.crediting import Owed
from billing.services.invoicing.attempts import new_attempt
from billing.services.invoicing.derivations import discount_derivation, tax_derivation
from billing.services.invoicing.numbers import number_of, reserve_numbers
from billing.services.invoicing.pricing import Charge, Priced, price_lines


@dataclass(frozen=True)
class Billed:
    """What `bill` wrote for one charge."""

    charge: Charge
    invoice: Invoice
    attempt: PaymentAttempt | None


def bill(charges: Sequence[Charge], *, now: datetime) -> list[Billed]:
    """Write periods, finalised invoices and first attempts for all charges, in the caller's transaction.

    The subscriptions are locked by the caller; the number series is locked last. A period that was
    billed before violates `period_unique` or `invoice_one_per_period` and nothing is written.
    """
    periods: list[dict[str, Any]] = [
        {
            "id": key,
            "subscription_id": charge.subscription.pk,
            "cycle": charge.subscription.cycle,
            "index": charge.subscription.period_index,
            "start": charge.start,
            "end": charge.end,
        }
        for key, charge in zip(_rows.take_keys(Period, len(charges)), charges, strict=True)
    ]
    _rows.write(Period, periods)
    priced = price_lines(charges)
    reserved = crediting.reserve(
        [
            Owed(charge.subscription.account_id, charge.price.currency, line.taxed.gross)
            for charge, line in zip(charges, priced, strict=True)
        ],
        now=now,
    )
    invoices = [
        Invoice(
            account_id=charge.subscription.account_id,
            subscription_id=charge.subscription.pk,
            period_id=period["id"],
            kind=Invoice.Kind.PERIOD,
            status=Invoice.Status.OPEN,
            currency=charge.price.currency,
            country=charge.subscription.country,
            total=line.taxed.gross,
            credit_applied=reservation.tender.applied,
            line_count=1,
            created_at=now,
            finalised_at=now,
        )
        for charge, period, line, reservation in zip(charges, periods, priced, reserved, strict=True)
    ]
    for invoice, period in zip(invoices, periods, strict=True):
        if not invoice.due:
            # It is paid at once, and its subscription moves on to the end of it.
            invoice.period = Period(**period)
    _rows.write(InvoiceLine, [_plan_line(*each) for each in zip(charges, priced, invoices, strict=True)])
    attempts = {
        attempt.invoice_id: attempt
        for attempt in _rows.insert(
            [
                new_attempt(
                    invoice, n=1, card=charge.card, customer=charge.customer, off_session=charge.off_session, now=now
                )
                for charge, invoice in zip(charges, invoices, strict=True)
                if charge.card and invoice.due
            ]
        )
    }
    _finalise(invoices, now=now)
    ledger.book_invoices([invoice.pk for invoice in invoices], now=now)
    crediting.apply(zip(reserved, invoices, strict=True), now=now)
    return [
        Billed(charge, invoice, attempts.get(invoice.pk)) for charge, invoice in zip(charges, invoices, strict=True)
    ]


def _finalise(invoices: Sequence[Invoice], *, now: datetime) -> None:
    """Number and write invoices whose lines are written: the others wait for the counter from here to the commit."""
    series, first = reserve_numbers(len(invoices), now=now)
    for sequence, invoice in enumerate(invoices, first):
        invoice.series_id, invoice.sequence, invoice.number = series.pk, sequence, number_of(series, sequence)
    _rows.insert(invoices)


def _plan_line(charge: Charge, priced: Priced, invoice: Invoice) -> dict[str, Any]:
    return {
        "invoice_id": invoice.pk,
        "position": 1,
        "kind": InvoiceLine.Kind.PLAN,
        "price_id": charge.price.pk,
        "description": f"{charge.price.plan.name}, {priced.first_day} to {priced.after}",
        "amount": priced.taxed.gross,
        "discount": priced.discount,
        "tax": priced.taxed.tax,
        "tax_rate": priced.rate,
        "service_start": priced.first_day,
        "service_end": priced.after,
        "derivation": {
            "rule": "list_price",
            "price": str(charge.price.pk),
            "price_version": charge.price.version,
            "list_price": charge.list_amount,
            **(
                {"introductory": charge.price.intro_periods}
                if charge.price.introduces(charge.subscription.ordinal)
                else {}
            ),
            "interval": charge.price.interval,
            "from": priced.first_day.isoformat(),
            "to": priced.after.isoformat(),
            "time_zone": charge.subscription.billing_tz,
            **discount_derivation(priced.coupon, priced.discount),
            **tax_derivation(charge.subscription.place.taxed_as, charge.price.tax_behavior, priced.taxed, priced.rate),
        },
    }
