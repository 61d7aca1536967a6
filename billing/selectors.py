"""Billing's reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from babel.numbers import get_territory_currencies
from django.db.models import QuerySet
from django.utils.translation import get_language, gettext

from billing import rules
from billing.models import (
    Invoice,
    InvoiceLine,
    PaymentAttempt,
    PaymentMethod,
    Plan,
    PlanFamily,
    Price,
    Refund,
    Subscription,
)
from core import money
from core.money import Money


@dataclass(frozen=True)
class Offer:
    """A plan with the prices that one place is offered."""

    plan: Plan
    prices: list[Price]


def offers(*, country: str) -> list[Offer]:
    """Answer the plans on sale with their prices for a country, lowest tier first.

    Prices made for the country come first, then those in its currency, then the family's fallback.
    A plan without any is not offered.
    """
    currency = local_currency(country)
    families = {family.pk: family for family in PlanFamily.objects.all()}
    plans = Plan.objects.on_sale().order_by("family__code", "tier").prefetch_related("prices")
    found = []
    for plan in plans:
        prices = rules.offered(
            sorted(
                (price for price in plan.prices.all() if price.superseded_at is None),
                key=lambda price: (price.interval, price.currency),
            ),
            country=country,
            currency=currency,
            fallback=families[plan.family_id].fallback_currency,
        )
        if prices:
            found.append(Offer(plan, prices))
    return found


def local_currency(country: str) -> str:
    """Answer the currency people pay with in a country (CLDR), or an empty string."""
    currencies = get_territory_currencies(country) if country else []
    return str(currencies[0]) if currencies else ""


@dataclass(frozen=True)
class Entitlement:
    """What an account may do now. The answer may be kept until `valid_until`, and no longer.

    `plan` is the plan whose features apply; None without access.
    """

    access: rules.Access
    plan: Plan | None
    valid_until: datetime | None

    @property
    def entitled(self) -> bool:
        return self.plan is not None


def entitlement(*, account_id: UUID, now: datetime) -> Entitlement:
    """Answer what an account may do at `now`."""
    subscription = Subscription.objects.live().filter(account=account_id).select_related("price__plan").first()
    if subscription is None:
        return Entitlement(rules.Access.NONE, None, None)
    access, until = rules.access(
        status=rules.Status(subscription.status),
        paid_through=subscription.paid_through,
        cancel_at=subscription.cancel_at,
        first_failed_at=subscription.first_failed_at,
        now=now,
    )
    return Entitlement(access, subscription.price.plan if until else None, until)


def current_subscription(*, account_id: UUID) -> Subscription | None:
    """Answer the account's live subscription, or else the one that ended last."""
    found = Subscription.objects.filter(account=account_id).select_related("price__plan")
    return found.live().first() or found.order_by("-ended_at", "-pk").first()


def invoices_of(*, account_id: UUID) -> QuerySet[Invoice]:
    """Answer an account's finalised invoices with their lines."""
    return (
        Invoice.objects.filter(account=account_id)
        .exclude(status=Invoice.Status.DRAFT)
        .select_related("period")
        .prefetch_related("lines")
    )


def cards_of(*, account_id: UUID) -> QuerySet[PaymentMethod]:
    """Answer an account's saved cards, the default first."""
    return PaymentMethod.objects.usable().filter(account=account_id).order_by("-is_default", "-pk")


# ---------------------------------------------------------------- explanations


@dataclass(frozen=True)
class Reason:
    """One step of an explanation; `amount` in minor units, None where a step moves none."""

    code: str
    text: str
    amount: int | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class ExplainedLine:
    """A line with the steps that lead to its amount, in order."""

    description: str
    amount: int
    reasons: list[Reason]


@dataclass(frozen=True)
class Explanation:
    """Why an invoice is what it is, and what was done to collect it."""

    number: str
    currency: str
    total: int
    lines: list[ExplainedLine]
    history: list[Reason]


def explanation(*, account_id: UUID, invoice_id: UUID) -> Explanation | None:
    """Explain an account's invoice from what was stored when it was made, never from present prices."""
    invoice = (
        invoices_of(account_id=account_id)
        .prefetch_related("lines__price", "attempts__payment_method", "refunds")
        .filter(pk=invoice_id)
        .first()
    )
    if invoice is None or invoice.number is None:
        return None
    lines = sorted(invoice.lines.all(), key=lambda line: line.position)
    return Explanation(
        number=invoice.number,
        currency=invoice.currency,
        total=invoice.total,
        lines=[ExplainedLine(line.description, line.amount, _reasons(line, invoice.currency)) for line in lines],
        history=_history(invoice),
    )


def _reasons(line: InvoiceLine, currency: str) -> list[Reason]:
    how = line.derivation

    def written(amount: int) -> str:
        return money.format(Money(amount, currency), get_language() or "en")

    reasons = []
    match how["rule"]:
        case "list_price":
            text = gettext("The price from %(start)s to %(end)s is %(price)s.")
            values = {"start": how["from"], "end": how["to"], "price": written(how["list_price"])}
            reasons.append(Reason("list_price", text % values, how["list_price"]))
        case "remaining_days":
            text = gettext("%(days)s of %(of_days)s days remain, at %(price)s for all of them.")
            values = {"days": how["days"], "of_days": how["of_days"], "price": written(how["list_price"])}
            reasons.append(Reason("remaining_days", text % values, how["amount"]))
        case "unused_days":
            text = gettext(
                "%(days)s of %(of_days)s days of invoice %(invoice)s are unused; they were billed at %(price)s."
            )
            values = {name: how[name] for name in ("days", "of_days", "invoice")} | {"price": written(how["billed"])}
            reasons.append(Reason("unused_days", text % values, how["amount"]))
    if discount := how.get("discount"):
        text = gettext("The coupon %(coupon)s takes %(amount)s off.")
        values = {"coupon": discount["coupon"], "amount": written(discount["amount"])}
        reasons.append(Reason("discount", text % values, -discount["amount"]))
    if line.tax_rate is not None:
        inclusive = line.price.tax_behavior == Price.TaxBehavior.INCLUSIVE
        text = gettext("This includes %(rate)s %% tax.") if inclusive else gettext("To this, %(rate)s %% tax is added.")
        reasons.append(Reason("tax", text % {"rate": f"{line.tax_rate * 100:.4g}"}, line.tax))
    return reasons


def _history(invoice: Invoice) -> list[Reason]:
    told = [Reason("finalised", gettext("The invoice was made."), invoice.total, invoice.finalised_at)]
    for attempt in sorted(invoice.attempts.all(), key=lambda attempt: attempt.n):
        values = {"card": str(attempt.payment_method)}
        if attempt.state == PaymentAttempt.State.SUCCEEDED:
            told.append(
                Reason("paid", gettext("The card %(card)s was charged.") % values, invoice.due, attempt.settled_at)
            )
        elif attempt.state in {PaymentAttempt.State.FAILED, PaymentAttempt.State.CANCELED}:
            text = gettext("The card %(card)s was not charged: %(code)s.")
            told.append(Reason("declined", text % (values | {"code": attempt.decline_code}), None, attempt.settled_at))
        else:
            told.append(Reason("waiting", gettext("A payment is under way."), None, attempt.created_at))
    given_back = gettext("Money was given back.")
    told += [
        Reason("refunded", given_back, -refund.amount, refund.settled_at)
        for refund in invoice.refunds.all()
        if refund.state == Refund.State.SUCCEEDED
    ]
    return told
