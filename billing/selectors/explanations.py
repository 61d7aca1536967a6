"""Why an invoice is what it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import get_language, gettext

from billing import selectors
from billing.models import CreditGrant, CreditUse, Invoice, InvoiceLine, PaymentAttempt, Price, Refund
from core import money
from core.money import Money


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
        selectors.invoices_of(account_id=account_id)
        .prefetch_related("lines__price", "attempts__payment_method", "refunds", "credit_uses__grant")
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
        case "gift":
            reasons.append(Reason("gift", gettext("A gift of this amount was bought."), how["amount"]))
    if discount := how.get("discount"):
        text = gettext("The coupon %(coupon)s takes %(amount)s off.")
        values = {"coupon": discount["coupon"], "amount": written(discount["amount"])}
        reasons.append(Reason("discount", text % values, -discount["amount"]))
    if line.tax_rate is not None and line.price is not None:
        inclusive = line.price.tax_behavior == Price.TaxBehavior.INCLUSIVE
        text = gettext("This includes %(rate)s %% tax.") if inclusive else gettext("To this, %(rate)s %% tax is added.")
        reasons.append(Reason("tax", text % {"rate": f"{line.tax_rate * 100:.4g}"}, line.tax))
    return reasons


def _credit_used(use: CreditUse) -> Reason:
    match use.grant.kind:
        case CreditGrant.Kind.GIFT:
            text = gettext("A gift paid a part of it.")
        case CreditGrant.Kind.CARRIED if use.amount < 0:
            text = gettext("A small rest of an earlier invoice is charged with it.")
        case CreditGrant.Kind.CARRIED:
            text = gettext("The rest is too small to be charged and is added to the next invoice.")
        case _:
            text = gettext("Your credit paid a part of it.")
    return Reason("credit", text, use.amount, use.used_at)


def _history(invoice: Invoice) -> list[Reason]:
    told = [Reason("finalised", gettext("The invoice was made."), invoice.total, invoice.finalised_at)]
    told += [_credit_used(use) for use in sorted(invoice.credit_uses.all(), key=lambda use: use.pk)]
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
