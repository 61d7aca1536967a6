"""Turning what is due into documents: period, numbered invoice, lines, first attempt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from billing import amounts, stripe_gateway
from billing.amounts import Taxed
from billing.models import (
    Invoice,
    InvoiceLine,
    NumberSeries,
    PaymentAttempt,
    PaymentMethod,
    Period,
    Price,
    Subscription,
    TaxRate,
)
from billing.services import _rows, ledger
from core.ids import new_id

ENTITY = "main"
INVOICES = "INV"

CALL_LEASE = timedelta(seconds=60)
"""How long a caller may take before the sweeper asks for the outcome instead; longer than one call can last."""


@dataclass(frozen=True)
class Charge:
    """One period of one subscription about to be billed. Without a card there is an invoice and no attempt."""

    subscription: Subscription
    price: Price
    start: datetime
    end: datetime
    card: PaymentMethod | None
    customer: str
    off_session: bool


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
    periods = _rows.insert(
        [
            Period(
                id=key,
                subscription=charge.subscription,
                cycle=charge.subscription.cycle,
                index=charge.subscription.period_index,
                start=charge.start,
                end=charge.end,
            )
            for key, charge in zip(_rows.take_keys(Period, len(charges)), charges, strict=True)
        ]
    )
    priced = _price_lines(charges)
    series, first = _reserve_numbers(len(charges), now=now)
    invoices = _rows.insert(
        [
            Invoice(
                account_id=charge.subscription.account_id,
                subscription=charge.subscription,
                period=period,
                kind=Invoice.Kind.PERIOD,
                status=Invoice.Status.OPEN,
                currency=charge.price.currency,
                total=line.taxed.gross,
                line_count=1,
                series=series,
                sequence=sequence,
                number=f"{series.code}-{series.year}-{sequence:07d}",
                created_at=now,
                finalised_at=now,
            )
            for sequence, (charge, period, line) in enumerate(zip(charges, periods, priced, strict=True), first)
        ]
    )
    _rows.insert([_plan_line(*each) for each in zip(charges, priced, invoices, strict=True)])
    ledger.book_invoices([invoice.pk for invoice in invoices], now=now)
    attempts = {
        attempt.invoice_id: attempt
        for attempt in _rows.insert(
            [
                new_attempt(
                    invoice, n=1, card=charge.card, customer=charge.customer, off_session=charge.off_session, now=now
                )
                for charge, invoice in zip(charges, invoices, strict=True)
                if charge.card
            ]
        )
    }
    return [
        Billed(charge, invoice, attempts.get(invoice.pk)) for charge, invoice in zip(charges, invoices, strict=True)
    ]


def new_attempt(
    invoice: Invoice, *, n: int, card: PaymentMethod, customer: str, off_session: bool, now: datetime
) -> PaymentAttempt:
    """Answer an unsaved attempt with the exact parameters and key that all its calls will carry."""
    attempt_id = new_id()
    return PaymentAttempt(
        id=attempt_id,
        invoice=invoice,
        n=n,
        payment_method=card,
        idempotency_key=f"att_{attempt_id}",
        params=stripe_gateway.charge_params(
            amount=invoice.total,
            currency=invoice.currency,
            customer=customer,
            payment_method=card.gateway_id,
            invoice_id=str(invoice.pk),
            attempt_id=str(attempt_id),
            off_session=off_session,
        ),
        created_at=now,
        claimed_until=now + CALL_LEASE,
    )


def _reserve_numbers(count: int, *, now: datetime) -> tuple[NumberSeries, int]:
    """Take `count` numbers in a row; they are given back if the transaction does not commit."""
    key = {"entity": ENTITY, "code": INVOICES, "year": now.year}
    NumberSeries.objects.bulk_create([NumberSeries(**key)], ignore_conflicts=True)
    series = NumberSeries.objects.locked().get(**key)
    first = series.last + 1
    series.last += count
    series.save(update_fields=["last"])
    return series, first


@dataclass(frozen=True)
class _Priced:
    """What a charge comes to, for `[first_day, after)` of the local calendar. Without a rate there is no tax."""

    first_day: date
    after: date
    taxed: Taxed
    rate: Decimal | None


def _price_lines(charges: Sequence[Charge]) -> list[_Priced]:
    """Work out what charges come to, by the tax of each one's country on the first day of its service."""
    rates = Rates({charge.subscription.country for charge in charges})
    priced = []
    for charge in charges:
        zone = ZoneInfo(charge.subscription.billing_tz)
        first_day, after = charge.start.astimezone(zone).date(), charge.end.astimezone(zone).date()
        rate = rates.on(charge.subscription.country, first_day)
        inclusive = charge.price.tax_behavior == Price.TaxBehavior.INCLUSIVE
        taxed = amounts.with_tax(charge.price.amount, Fraction(rate or 0), inclusive=inclusive)
        priced.append(_Priced(first_day, after, taxed, rate))
    return priced


class Rates:
    """The tax rates of some countries, read once."""

    def __init__(self, countries: Collection[str]) -> None:
        self._by_country: dict[str, list[TaxRate]] = {}
        for rate in TaxRate.objects.filter(country__in=countries):
            self._by_country.setdefault(rate.country, []).append(rate)

    def on(self, country: str, day: date) -> Decimal | None:
        """Answer the rate of a country on a day, or None where there is no tax."""
        for rate in self._by_country.get(country, []):
            if rate.starts <= day and (rate.ends is None or day < rate.ends):
                return rate.rate
        return None


def _plan_line(charge: Charge, priced: _Priced, invoice: Invoice) -> InvoiceLine:
    return InvoiceLine(
        invoice=invoice,
        position=1,
        kind=InvoiceLine.Kind.PLAN,
        price=charge.price,
        description=f"{charge.price.plan.name}, {priced.first_day} to {priced.after}",
        amount=priced.taxed.gross,
        tax=priced.taxed.tax,
        tax_rate=priced.rate,
        service_start=priced.first_day,
        service_end=priced.after,
        derivation={
            "rule": "list_price",
            "price": str(charge.price.pk),
            "price_version": charge.price.version,
            "list_price": charge.price.amount,
            "interval": charge.price.interval,
            "from": priced.first_day.isoformat(),
            "to": priced.after.isoformat(),
            "time_zone": charge.subscription.billing_tz,
            **_tax_derivation(charge, priced),
        },
    )


def _tax_derivation(charge: Charge, priced: _Priced) -> dict[str, Any]:
    if priced.rate is None:
        return {}
    return {
        "tax": {
            "country": charge.subscription.country,
            "rate": str(priced.rate),
            "behavior": charge.price.tax_behavior,
            "net": priced.taxed.net,
            "tax": priced.taxed.tax,
        }
    }
