"""Why an invoice is what it is: from what was stored when it was made, never from present prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.translation import gettext

from billing import selectors
from billing.models import CreditGrant, CreditUse, Invoice, InvoiceLine, PaymentAttempt, Price, Refund
from billing.selectors.words import Words, card, description

CONTENTS = (
    "lines__price__plan",
    "attempts__payment_method",
    "attempts__refunds__invoice",
    "refunds__credit_note",
    "credit_uses__grant__uses__invoice",
)
"""What has to be read with an invoice to explain it, in a fixed number of queries."""


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
    """Explain an account's invoice."""
    invoice = (
        selectors.invoices_of(account_id=account_id)
        .select_related("subscription")
        .prefetch_related(*CONTENTS)
        .filter(pk=invoice_id)
        .first()
    )
    return explain(invoice) if invoice else None


def explain(invoice: Invoice) -> Explanation:
    """Explain a finalised invoice: each line's steps sum to its amount, the history says what became of it."""
    words = Words(invoice)
    lines = sorted(invoice.lines.all(), key=lambda line: line.position)
    return Explanation(
        number=str(invoice.number),
        currency=invoice.currency,
        total=invoice.total,
        lines=[ExplainedLine(description(line), line.amount, _reasons(line, words)) for line in lines],
        history=_history(invoice, words),
    )


def _reasons(line: InvoiceLine, words: Words) -> list[Reason]:
    how = line.derivation
    reasons = [_beginning(line, how, words)]
    if discount := how.get("discount"):
        reasons.append(_discount(discount, words))
    if line.tax_rate is not None and line.price is not None:
        reasons.append(_tax(line, line.price, how, words))
    return reasons


def _beginning(line: InvoiceLine, how: dict[str, Any], words: Words) -> Reason:
    """Say where the amount before coupon and tax comes from."""
    match how["rule"]:
        case "list_price":
            text = (
                gettext("%(plan)s costs %(price)s a year.")
                if how["interval"] == Price.IntervalChoices.YEAR
                else gettext("%(plan)s costs %(price)s a month.")
            )
            values = {"plan": line.price.plan if line.price else "", "price": words.amount(how["list_price"])}
            return Reason("list_price", text % values, how["list_price"])
        case "remaining_days":
            text = gettext(
                "%(plan)s costs %(price)s for all %(of_days)s days of the period. "
                "From %(day)s on %(days)s of them remain, which is %(amount)s."
            )
            return Reason("remaining_days", text % _days(line, how, words, how["list_price"]), how["amount"])
        case "unused_days":
            values = _days(line, how, words, how["billed"]) | {"invoice": how["invoice"]}
            text = gettext(
                "%(plan)s was billed at %(price)s for %(of_days)s days with invoice %(invoice)s. "
                "From %(day)s on %(days)s of them are unused, so %(amount)s is taken off."
            )
            if "worth" in how:
                values["worth"] = words.amount(how["worth"])
                text = gettext(
                    "%(plan)s was billed at %(price)s for %(of_days)s days with invoice %(invoice)s. "
                    "From %(day)s on %(days)s of them are unused, worth %(worth)s. Of what was paid for the period "
                    "the rest was given back already, so %(amount)s is taken off."
                )
            return Reason("unused_days", text % values, how["amount"])
        case "credit_taken_back":
            text = gettext(
                "Invoice %(invoice)s has %(billed)s for this, and gave %(of)s as credit. "
                "The contract was withdrawn from, so %(taken)s of the credit is taken back."
            )
            values = {name: words.amount(how[name]) for name in ("billed", "of", "taken")}
            return Reason("credit_taken_back", text % (values | {"invoice": how["invoice"]}), how["amount"])
        case "gift":
            return Reason("gift", gettext("A gift of this amount was bought."), how["amount"])
        case rule:
            return Reason(rule, description(line), line.amount)


def _days(line: InvoiceLine, how: dict[str, Any], words: Words, price: int) -> dict[str, Any]:
    return {
        "plan": line.price.plan if line.price else "",
        "price": words.amount(price),
        "days": how["days"],
        "of_days": how["of_days"],
        "day": words.local(date.fromisoformat(how["from"])),
        "amount": words.amount(abs(how["amount"])),
    }


def _discount(discount: dict[str, Any], words: Words) -> Reason:
    values = {"coupon": discount["coupon"], "amount": words.amount(discount["amount"])}
    if discount["percent"] is None:
        text = gettext("The coupon %(coupon)s takes %(amount)s off.") % values
    else:
        share = words.rate(Decimal(discount["percent"]).normalize() / 100)
        text = gettext("The coupon %(coupon)s takes %(share)s off, which is %(amount)s.") % (values | {"share": share})
    return Reason("discount", text, -discount["amount"])


def _tax(line: InvoiceLine, price: Price, how: dict[str, Any], words: Words) -> Reason:
    inclusive = price.tax_behavior == Price.TaxBehavior.INCLUSIVE
    text = (
        gettext("This includes %(rate)s tax (%(country)s): %(net)s without it, %(tax)s tax.")
        if inclusive
        else gettext("To this, %(rate)s tax (%(country)s) is added: %(net)s without it, %(tax)s tax.")
    )
    country = (how.get("tax") or {}).get("country") or line.invoice.country
    values = {
        "rate": words.rate(line.tax_rate),
        "country": words.territory(country),
        "net": words.amount(line.net),
        "tax": words.amount(line.tax),
    }
    return Reason("tax", text % values, line.tax)


# ---------------------------------------------------------------- what became of it


def _history(invoice: Invoice, words: Words) -> list[Reason]:
    made = {
        Invoice.Kind.PERIOD: gettext("The invoice was made for this period."),
        Invoice.Kind.CHANGE: gettext("The invoice was made for the change of plan, as quoted."),
        Invoice.Kind.DEBIT: gettext("The invoice was made to take credit back, since the contract was withdrawn from."),
    }.get(Invoice.Kind(invoice.kind), gettext("The invoice was made."))
    told = [Reason("finalised", made, invoice.total, invoice.finalised_at)]
    # What the bank sent back was not given back, and is not owed again.
    sent_back = {f"owed:{refund.pk}" for refund in invoice.refunds.all() if refund.state == Refund.State.FAILED}
    uses = sorted(invoice.credit_uses.all(), key=lambda use: use.pk)
    told += [_credit_used(use, words) for use in uses if use.grant.source_key not in sent_back]
    attempts = sorted(invoice.attempts.all(), key=lambda attempt: attempt.n)
    told += [_attempt(attempt, invoice, words) for attempt in attempts]
    told += [
        _refund(refund, words)
        for refund in sorted(invoice.refunds.all(), key=lambda refund: refund.pk)
        if refund.is_given_back and hasattr(refund, "credit_note")
    ]
    told += [_debt_refunded(refund, words) for refund in debts_refunded(invoice)]
    # A debt may begin, and a try end, at any time after the invoice; what happened at once keeps its order here.
    told[1:] = sorted(told[1:], key=lambda reason: reason.at.timestamp() if reason.at else 0)
    if invoice.status in {Invoice.Status.VOID, Invoice.Status.UNCOLLECTIBLE}:
        told.append(Reason("closed", gettext("The invoice was closed. Nothing is owed.")))
    return told


def debts_refunded(invoice: Invoice) -> list[Refund]:
    """Answer what went back to the card that paid an invoice, of debts of other invoices which it had collected."""
    back = [refund for attempt in invoice.attempts.all() for refund in attempt.refunds.all()]
    others = [each for each in back if each.invoice_id != invoice.pk and each.is_given_back]
    return sorted(others, key=lambda refund: refund.pk)


def paid_from_credit(invoice: Invoice) -> int:
    """Answer what gifts and credit paid of an invoice; a debt that stands for a part of it is no payment."""
    uses = invoice.credit_uses.all()
    return sum(use.amount for use in uses if use.amount > 0 and not stands_as_debt(use))


def debts_charged(invoice: Invoice) -> int:
    """Answer what was owed from before and is charged with an invoice."""
    return -sum(use.amount for use in invoice.credit_uses.all() if use.amount < 0)


def stands_as_debt(use: CreditUse) -> bool:
    """Answer whether an invoice took a debt in place of money; one that was given back once collected pays like credit."""
    return use.amount > 0 and use.pk == _standing(use.grant)


def origin_of(use: CreditUse) -> str:
    """Answer the number of the invoice that a debt stands for which another one charges."""
    standing = _standing(use.grant)
    return next((str(each.invoice.number) for each in use.grant.uses.all() if each.pk == standing), "")


def _standing(grant: CreditGrant) -> int | None:
    """Answer the use that a debt began with."""
    taken = (use.pk for use in grant.uses.all() if use.amount > 0)
    return min(taken, default=None) if grant.amount < 0 else None


def _debt_refunded(refund: Refund, words: Words) -> Reason:
    values = {"amount": words.amount(refund.amount), "number": refund.invoice.number}
    text = gettext("%(amount)s, which were charged for invoice %(number)s, went back to the card with it.")
    return Reason("refunded", text % values, -refund.amount, refund.settled_at)


def _credit_used(use: CreditUse, words: Words) -> Reason:
    values = {"amount": words.amount(abs(use.amount))}
    if use.amount < 0:
        values["number"] = origin_of(use)
    match use.grant.kind:
        case CreditGrant.Kind.GIFT:
            text = gettext("A gift paid %(amount)s of it.")
        case CreditGrant.Kind.CARRIED if use.amount < 0:
            text = gettext("The small rest of invoice %(number)s, %(amount)s, is charged with it.")
        case CreditGrant.Kind.OWED if use.amount < 0:
            text = gettext("%(amount)s of invoice %(number)s, which was given back to the card, is charged with it.")
        case CreditGrant.Kind.OWED if stands_as_debt(use):
            text = gettext("%(amount)s was given back to the card and is owed again: the next invoice charges it.")
        case CreditGrant.Kind.CARRIED if stands_as_debt(use):
            text = gettext("The rest, %(amount)s, is too small to be charged and is added to the next invoice.")
        case _:
            text = gettext("Your credit paid %(amount)s of it.")
    return Reason("credit", text % values, use.amount, use.used_at)


def _attempt(attempt: PaymentAttempt, invoice: Invoice, words: Words) -> Reason:
    values = {"card": card(attempt.payment_method), "amount": words.amount(invoice.due)}
    match attempt.state:
        case PaymentAttempt.State.SUCCEEDED:
            text = gettext("%(amount)s was charged to %(card)s.") % values
            return Reason("paid", text, invoice.due, attempt.settled_at)
        case PaymentAttempt.State.FAILED | PaymentAttempt.State.CANCELED:
            text = gettext("%(card)s was not charged: %(why)s.")
            return Reason("declined", text % (values | {"why": _why(attempt)}), None, attempt.settled_at)
        case PaymentAttempt.State.REQUIRES_ACTION:
            return Reason("waiting", gettext("The bank wants the payment confirmed."), None, attempt.created_at)
        case _:
            return Reason("waiting", gettext("A payment is under way."), None, attempt.created_at)


def _why(attempt: PaymentAttempt) -> str:
    """Say why a card was not charged; a stolen card is not told that it is known to be one."""
    said = {
        "insufficient_funds": gettext("there was not enough money"),
        "expired_card": gettext("the card has expired"),
        "incorrect_cvc": gettext("the security code was wrong"),
        "authentication_required": gettext("the payment was not confirmed"),
        "processing_error": gettext("the bank had a fault"),
        "canceled": gettext("the attempt was given up"),
    }
    return said.get(attempt.decline_code, gettext("the bank declined"))


def _refund(refund: Refund, words: Words) -> Reason:
    values = {"amount": words.amount(refund.amount), "number": refund.credit_note.number}
    text = gettext("%(amount)s was given back with credit note %(number)s.") % values
    return Reason("refunded", text, -refund.amount, refund.answered_at or refund.settled_at)
