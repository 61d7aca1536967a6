"""Changing plans within a period: what it costs, and its invoice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Sum

from billing import amounts
from billing.amounts import Taxed
from billing.models import (
    CouponRedemption,
    Invoice,
    InvoiceLine,
    PaymentMethod,
    Period,
    Price,
    Quote,
    Refund,
    Subscription,
)
from billing.services import crediting, ledger
from billing.services.crediting import Owed
from billing.services.invoicing.attempts import new_attempt
from billing.services.invoicing.derivations import discount_derivation, tax_derivation
from billing.services.invoicing.numbers import number_of, reserve_numbers
from billing.services.invoicing.pricing import Rates, coupon_discount


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
    given_back = _given_back({line.invoice_id for line in paid})
    lines, kept = [], _kept(subscription, paid)
    for line in paid:
        unused = _unused_line(line, credited=given_back.get(line.invoice_id), at_most=kept, on=on)
        kept = Taxed(kept.net + unused["amount"] - unused["tax"], kept.tax + unused["tax"])
        lines.append(unused)
    # The period that is under way, not the next one to bill: a coupon that covers it covers the rest of it too.
    ordinal = max(0, subscription.ordinal - 1)
    list_amount = price.amount_of(ordinal)
    redemption = CouponRedemption.objects.select_related("coupon").filter(subscription=subscription).first()
    whole_off = coupon_discount(list_amount, price.currency, redemption, ordinal=ordinal) if redemption else 0
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
        **discount_derivation(coupon, debit - discounted),
        **tax_derivation(taxed_as, price.tax_behavior, taxed, rate),
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


def _kept(subscription: Subscription, paid: Sequence[InvoiceLine]) -> Taxed:
    """Answer what was paid for the period of lines, with all its changes, and not given back."""
    of_period = InvoiceLine.objects.filter(
        invoice__subscription=subscription,
        invoice__status=Invoice.Status.PAID,
        service_end__in={line.service_end for line in paid},
    )
    lines = list(of_period)
    back = _given_back({line.invoice_id for line in lines}).values()
    return Taxed(
        sum(line.net for line in lines) - sum(each.net for each in back),
        sum(line.tax for line in lines) - sum(each.tax for each in back),
    )


def _given_back(invoice_ids: Collection[UUID]) -> dict[UUID, Taxed]:
    """Answer what was refunded of invoices; each has one line for a plan."""
    refunds = Refund.objects.counted().filter(invoice__in=invoice_ids, owed_again=False)
    sums = refunds.values_list("invoice").annotate(Sum("net"), Sum("tax")).order_by()
    return {invoice: Taxed(net, tax) for invoice, net, tax in sums}


def _unused_line(line: InvoiceLine, *, credited: Taxed | None, at_most: Taxed, on: date) -> dict[str, Any]:
    if line.service_start is None or line.service_end is None or line.price is None:
        raise ValueError(f"Line {line.pk} pays for no days.")
    days, remaining = (line.service_end - line.service_start).days, (line.service_end - on).days
    inclusive = line.price.tax_behavior == Price.TaxBehavior.INCLUSIVE
    billed = line.amount if inclusive else line.net
    before = (credited.gross if inclusive else credited.net) if credited else 0
    worth = amounts.share(billed, remaining, days)
    unused = amounts.unused(amounts.Paid(billed, line.service_start, line.service_end, before), on=on)
    unused = max(0, min(unused, at_most.gross if inclusive else at_most.net))
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
            **({"worth": worth} if unused < worth else {}),
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
