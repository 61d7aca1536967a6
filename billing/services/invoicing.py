"""Turning what is due into documents: period, numbered invoice, lines, first attempt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Sum

from billing import amounts, stripe_gateway
from billing.amounts import Taxed
from billing.models import (
    Coupon,
    CouponRedemption,
    Invoice,
    InvoiceLine,
    NumberSeries,
    PaymentAttempt,
    PaymentMethod,
    Period,
    Price,
    Quote,
    Refund,
    Subscription,
    TaxRate,
)
from billing.services import _rows, crediting, ledger
from billing.services.crediting import Owed
from core.ids import new_id

ENTITY = "main"
INVOICES = "INV"
CREDIT_NOTES = "CN"

CALL_LEASE = timedelta(seconds=60)
"""How long a caller may take before the sweeper asks for the outcome instead; longer than one call can last."""


@dataclass(frozen=True)
class Charge:
    """One period of one subscription about to be billed. Without a card, or when credit pays it all, no attempt is made."""

    subscription: Subscription
    price: Price
    start: datetime
    end: datetime
    card: PaymentMethod | None
    customer: str
    off_session: bool

    @property
    def list_amount(self) -> int:
        """What the price asks for this period, before coupons and tax."""
        return self.price.amount_of(self.subscription.ordinal)


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
    priced = _price_lines(charges)
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


def new_attempt(
    invoice: Invoice, *, n: int, card: PaymentMethod, customer: str, off_session: bool, now: datetime
) -> PaymentAttempt:
    """Answer an unsaved attempt with the exact parameters and key that all its calls will carry."""
    attempt_id = new_id()
    return PaymentAttempt(
        id=attempt_id,
        invoice_id=invoice.pk,
        n=n,
        payment_method_id=card.pk,
        idempotency_key=f"att_{attempt_id}",
        params=stripe_gateway.charge_params(
            amount=invoice.due,
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


def reserve_numbers(count: int, *, now: datetime, code: str = INVOICES) -> tuple[NumberSeries, int]:
    """Take `count` numbers in a row; they are given back if the transaction does not commit."""
    key = {"entity": ENTITY, "code": code, "year": now.year}
    NumberSeries.objects.bulk_create([NumberSeries(**key)], ignore_conflicts=True)
    series = NumberSeries.objects.locked().get(**key)
    first = series.last + 1
    series.last += count
    series.save(update_fields=["last"])
    return series, first


def number_of(series: NumberSeries, sequence: int) -> str:
    """Write a document's number."""
    return f"{series.code}-{series.year}-{sequence:07d}"


@dataclass(frozen=True)
class _Priced:
    """What a charge comes to, for `[first_day, after)` of the local calendar. Without a rate there is no tax."""

    first_day: date
    after: date
    taxed: Taxed
    rate: Decimal | None
    discount: int = 0
    coupon: Coupon | None = None


@dataclass(frozen=True)
class Forecast:
    """What a charge would come to: minor units; `total` is the list amount less the discount, with its tax."""

    list_amount: int
    discount: int
    tax: int
    total: int


def forecast(charges: Sequence[Charge], *, coupons: Mapping[UUID, Coupon] = MappingProxyType({})) -> list[Forecast]:
    """Answer what charges would come to, as `bill` would write them; `coupons` by subscription as if redeemed now."""
    supposed = {
        charge.subscription.pk: CouponRedemption(coupon=coupons[key], first_index=charge.subscription.ordinal)
        for charge in charges
        if (key := charge.subscription.pk) in coupons
    }
    return [
        Forecast(charge.list_amount, priced.discount, priced.taxed.tax, priced.taxed.gross)
        for charge, priced in zip(charges, _price_lines(charges, supposed), strict=True)
    ]


def _price_lines(
    charges: Sequence[Charge], supposed: Mapping[UUID, CouponRedemption] = MappingProxyType({})
) -> list[_Priced]:
    """Work out what charges come to, by the tax of each one's country on the first day of its service."""
    rates = Rates({charge.subscription.place.taxed_as for charge in charges})
    redemptions = {**_redemptions(charges), **supposed}
    priced = []
    for charge in charges:
        zone = ZoneInfo(charge.subscription.billing_tz)
        first_day, after = charge.start.astimezone(zone).date(), charge.end.astimezone(zone).date()
        rate = rates.on(charge.subscription.place.taxed_as, first_day)
        inclusive = charge.price.tax_behavior == Price.TaxBehavior.INCLUSIVE
        redemption = redemptions.get(charge.subscription.pk)
        ordinal, currency = charge.subscription.ordinal, charge.price.currency
        off = _discount(charge.list_amount, currency, redemption, ordinal=ordinal) if redemption else 0
        taxed = amounts.with_tax(charge.list_amount - off, Fraction(rate or 0), inclusive=inclusive)
        priced.append(_Priced(first_day, after, taxed, rate, off, redemption.coupon if redemption and off else None))
    return priced


def _redemptions(charges: Sequence[Charge]) -> dict[UUID, CouponRedemption]:
    found = CouponRedemption.objects.select_related("coupon")
    return {
        redemption.subscription_id: redemption
        for redemption in found.filter(subscription__any=[charge.subscription.pk for charge in charges])
    }


def _discount(list_amount: int, currency: str, redemption: CouponRedemption, *, ordinal: int) -> int:
    """Answer what a coupon takes off a whole period: the one of this number among all of the person's."""
    coupon = redemption.coupon
    if not redemption.covers(ordinal):
        return 0
    if coupon.percent is not None:
        return amounts.discount(list_amount, percent=Fraction(coupon.percent))
    # An amount is bound to its currency.
    return amounts.discount(list_amount, fixed=coupon.amount) if coupon.currency == currency else 0


class Rates:
    """The tax rates of some places, read once."""

    def __init__(self, countries: Collection[str]) -> None:
        self._by_country: dict[str, list[TaxRate]] = {}
        for rate in TaxRate.objects.filter(country__in=countries):
            self._by_country.setdefault(rate.country, []).append(rate)

    def on(self, country: str, day: date) -> Decimal | None:
        """Answer the rate of a country, or of a territory of one, on a day, or None where there is no tax."""
        for rate in self._by_country.get(country, []):
            if rate.starts <= day and (rate.ends is None or day < rate.ends):
                return rate.rate
        return None


def _plan_line(charge: Charge, priced: _Priced, invoice: Invoice) -> dict[str, Any]:
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
            **_discount_derivation(priced.coupon, priced.discount),
            **_tax_derivation(charge.subscription.place.taxed_as, charge.price.tax_behavior, priced.taxed, priced.rate),
        },
    }


def _discount_derivation(coupon: Coupon | None, amount: int) -> dict[str, Any]:
    if coupon is None:
        return {}
    return {
        "discount": {
            "coupon": coupon.code,
            "percent": str(coupon.percent) if coupon.percent is not None else None,
            "amount": amount,
        }
    }


def _tax_derivation(country: str, behavior: str, taxed: Taxed, rate: Decimal | None) -> dict[str, Any]:
    if rate is None:
        return {}
    return {"tax": {"country": country, "rate": str(rate), "behavior": behavior, "net": taxed.net, "tax": taxed.tax}}


# ---------------------------------------------------------------- changes


def quote_lines(
    subscription: Subscription, *, paid: Sequence[InvoiceLine], price: Price, period: Period, on: date
) -> list[dict[str, Any]]:
    """Work out what changing to `price` on a local day costs: a credit for each line of what is unused, and a debit.

    Each credit takes back the price and the tax that its line was billed with, so a coupon that made it cheaper makes
    the debit cheaper too: a change and its reverse on one day cost nothing.
    """
    zone = ZoneInfo(subscription.billing_tz)
    start, end = period.start.astimezone(zone).date(), period.end.astimezone(zone).date()
    taxed_as = subscription.place.taxed_as
    rate = Rates({taxed_as}).on(taxed_as, start)
    inclusive = price.tax_behavior == Price.TaxBehavior.INCLUSIVE
    given_back = _given_back(paid)
    lines = [_unused_line(line, credited=given_back.get(line.invoice_id), on=on) for line in paid]
    # The period that is under way, not the next one to bill: a coupon that covers it covers the rest of it too.
    ordinal = max(0, subscription.ordinal - 1)
    list_amount = price.amount_of(ordinal)
    redemption = CouponRedemption.objects.select_related("coupon").filter(subscription=subscription).first()
    whole_off = _discount(list_amount, price.currency, redemption, ordinal=ordinal) if redemption else 0
    debit = amounts.share(list_amount, (end - on).days, (end - start).days)
    discounted = amounts.share(list_amount - whole_off, (end - on).days, (end - start).days)
    coupon = redemption.coupon if redemption and whole_off else None
    taxed = amounts.with_tax(discounted, Fraction(rate or 0), inclusive=inclusive)
    derivation = {
        "rule": "remaining_days",
        "price": str(price.pk),
        "price_version": price.version,
        "list_price": list_amount,
        "days": (end - on).days,
        "of_days": (end - start).days,
        "amount": debit,
        "from": on.isoformat(),
        "to": end.isoformat(),
        **_discount_derivation(coupon, debit - discounted),
        **_tax_derivation(taxed_as, price.tax_behavior, taxed, rate),
    }
    lines.append(
        {
            "kind": InvoiceLine.Kind.PLAN,
            "price": str(price.pk),
            "description": f"{price.plan.name}, {on} to {end}",
            "amount": taxed.gross,
            "discount": debit - discounted,
            "tax": taxed.tax,
            "tax_rate": str(rate) if rate is not None else None,
            "service_start": on.isoformat(),
            "service_end": end.isoformat(),
            "derivation": derivation,
        }
    )
    return lines


def _given_back(lines: Sequence[InvoiceLine]) -> dict[UUID, Taxed]:
    """Answer what was refunded of the invoices of lines; an invoice has one line for a plan."""
    refunds = Refund.objects.filter(
        invoice__in={line.invoice_id for line in lines}, state__in=[*Refund.OPEN, Refund.State.SUCCEEDED]
    )
    sums = refunds.values_list("invoice").annotate(Sum("net"), Sum("tax")).order_by()
    return {invoice: Taxed(net, tax) for invoice, net, tax in sums}


def _unused_line(line: InvoiceLine, *, credited: Taxed | None, on: date) -> dict[str, Any]:
    if line.service_start is None or line.service_end is None or line.price is None:
        raise ValueError(f"Line {line.pk} pays for no days.")
    days, remaining = (line.service_end - line.service_start).days, (line.service_end - on).days
    inclusive = line.price.tax_behavior == Price.TaxBehavior.INCLUSIVE
    billed = line.amount if inclusive else line.net
    before = (credited.gross if inclusive else credited.net) if credited else 0
    unused = amounts.unused(amounts.Paid(billed, line.service_start, line.service_end, before), on=on)
    taxed = amounts.with_tax(unused, Fraction(line.tax_rate or 0), inclusive=inclusive)
    return {
        "kind": InvoiceLine.Kind.UNUSED,
        "price": str(line.price_id),
        "description": f"{line.price.plan.name}, unused {on} to {line.service_end}",
        "amount": -taxed.gross,
        "tax": -taxed.tax,
        "tax_rate": str(line.tax_rate) if line.tax_rate is not None else None,
        "service_start": on.isoformat(),
        "service_end": line.service_end.isoformat(),
        "derivation": {
            "rule": "unused_days",
            "line": line.pk,
            "invoice": line.invoice.number,
            "billed": billed,
            "days": remaining,
            "of_days": days,
            "given_back": before,
            "amount": -unused,
            "from": on.isoformat(),
            "to": line.service_end.isoformat(),
        },
    }


def bill_change(quote: Quote, *, card: PaymentMethod | None, customer: str, now: datetime) -> Invoice:
    """Write the invoice of a locked quote, exactly as quoted, with its first attempt unless credit pays it all.

    What costs less than nothing becomes credit. Without a card, what is due stays without an attempt.
    """
    credit = quote.total < 0
    (reservation,) = crediting.reserve([Owed(quote.account_id, quote.currency, max(quote.total, 0))], now=now)
    series, sequence = reserve_numbers(1, now=now)
    invoice = Invoice.objects.create(
        account_id=quote.account_id,
        subscription=quote.subscription,
        kind=Invoice.Kind.CHANGE,
        status=Invoice.Status.OPEN,
        currency=quote.currency,
        country=quote.subscription.country,
        total=quote.total,
        credit_applied=quote.total if credit else reservation.tender.applied,
        line_count=len(quote.lines),
        series=series,
        sequence=sequence,
        number=number_of(series, sequence),
        created_at=now,
        finalised_at=now,
    )
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice=invoice,
            position=position,
            price_id=line["price"],
            discount=line.get("discount", 0),
            **{name: line[name] for name in ("kind", "description", "amount", "tax", "tax_rate", "derivation")},
            service_start=date.fromisoformat(line["service_start"]),
            service_end=date.fromisoformat(line["service_end"]),
        )
        for position, line in enumerate(quote.lines, 1)
    )
    quote.invoice = invoice
    quote.save(update_fields=["invoice"])
    ledger.book_invoices([invoice.pk], now=now)
    if credit:
        crediting.grant_for_change(invoice, now=now)
    else:
        crediting.apply([(reservation, invoice)], now=now)
    if card and invoice.due:
        new_attempt(invoice, n=1, card=card, customer=customer, off_session=False, now=now).save(force_insert=True)
    return invoice


# ---------------------------------------------------------------- gifts


def bill_gift(
    *, account_id: UUID, gift_id: UUID, amount: int, currency: str, card: PaymentMethod, customer: str, now: datetime
) -> Invoice:
    """Write the invoice of a gift with its attempt. It bears no tax: what it pays for is taxed when it does."""
    series, sequence = reserve_numbers(1, now=now)
    invoice = Invoice.objects.create(
        account_id=account_id,
        kind=Invoice.Kind.ONE_OFF,
        status=Invoice.Status.OPEN,
        currency=currency,
        total=amount,
        line_count=1,
        series=series,
        sequence=sequence,
        number=number_of(series, sequence),
        created_at=now,
        finalised_at=now,
    )
    InvoiceLine.objects.create(
        invoice=invoice,
        position=1,
        kind=InvoiceLine.Kind.GIFT,
        description="Gift",
        amount=amount,
        derivation={"rule": "gift", "gift": str(gift_id), "amount": amount},
    )
    ledger.book_invoices([invoice.pk], now=now)
    new_attempt(invoice, n=1, card=card, customer=customer, off_session=False, now=now).save(force_insert=True)
    return invoice
