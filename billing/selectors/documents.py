"""Invoices and credit notes as people read them: everything in words, for a page and for a PDF alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext

from billing.models import (
    BillingDetails,
    CreditGrant,
    CreditNote,
    Invoice,
    InvoiceLine,
    PaymentAttempt,
    Refund,
    Seller,
)
from billing.selectors import explanations, invoices_of
from billing.selectors.words import Words, card, title


@dataclass(frozen=True)
class Party:
    """Seller or buyer, as lines of a letter's head."""

    name: str
    lines: list[str]


@dataclass(frozen=True)
class Fact:
    """A label with its value."""

    label: str
    value: str


@dataclass(frozen=True)
class DocumentLine:
    """One amount, the days it is for, and how it came about."""

    title: str
    period: str
    reasons: list[str]
    tax_rate: str
    amount: str


@dataclass(frozen=True)
class TaxRow:
    """What is taxed at one rate."""

    rate: str
    net: str
    tax: str
    gross: str


@dataclass(frozen=True)
class Document:
    """An invoice or a credit note, ready to be read in `language`."""

    language: str
    title: str
    number: str
    standing: str
    standing_kind: str
    issued: datetime
    facts: list[Fact]
    seller: Party
    buyer: Party
    lines: list[DocumentLine]
    taxes: list[TaxRow]
    totals: list[Fact]
    total: Fact
    tender: list[Fact]
    history: list[str]
    labels: dict[str, str] = field(default_factory=dict)


def issued_invoices(*, account_id: UUID) -> QuerySet[Invoice]:
    """Answer an account's invoices with all that their documents say."""
    return with_contents(invoices_of(account_id=account_id))


def with_contents(invoices: QuerySet[Invoice]) -> QuerySet[Invoice]:
    """Read with invoices, in a fixed number of queries, what their documents say."""
    return invoices.select_related("account", "subscription").prefetch_related(*explanations.CONTENTS)


def credit_notes() -> QuerySet[CreditNote]:
    """Answer credit notes with all that their documents say."""
    return CreditNote.objects.select_related(
        "invoice__account", "invoice__subscription", "refund__attempt__payment_method"
    ).prefetch_related("invoice__lines")


def credit_notes_of(*, account_id: UUID) -> QuerySet[CreditNote]:
    """Answer an account's credit notes."""
    return credit_notes().filter(invoice__account=account_id)


def of_invoice(invoice: Invoice) -> Document:
    """Answer the document of a finalised invoice, in the language at hand. Raises ValueError for a draft."""
    if invoice.number is None or invoice.finalised_at is None:
        raise ValueError(f"{invoice} is no document yet.")
    words = Words(invoice)
    explained = explanations.explain(invoice)
    lines = sorted(invoice.lines.all(), key=lambda line: line.position)
    net = sum(line.net for line in lines)
    standing = _standing(invoice)
    return Document(
        language=words.language,
        title=gettext("Invoice"),
        number=invoice.number,
        standing=standing[1],
        standing_kind=standing[0],
        issued=invoice.finalised_at,
        facts=_facts(invoice, lines, words),
        seller=_seller(invoice.finalised_at),
        buyer=_buyer(invoice, invoice.finalised_at, words),
        lines=[
            DocumentLine(
                title=title(line.kind, line.price.plan.name if line.price else "", line.description),
                period=words.period(line.service_start, line.service_end),
                reasons=[reason.text for reason in told.reasons],
                tax_rate=words.rate(line.tax_rate),
                amount=words.amount(line.amount),
            )
            for line, told in zip(lines, explained.lines, strict=True)
        ],
        taxes=[_tax_row(rate, amounts, words) for rate, amounts in _by_rate(lines).items()],
        totals=[
            Fact(gettext("Net"), words.amount(net)),
            Fact(gettext("Tax"), words.amount(invoice.total - net)),
        ],
        total=Fact(gettext("Total"), words.amount(invoice.total)),
        tender=_tender(invoice, words),
        history=[f"{words.day(step.at)}: {step.text}" if step.at else step.text for step in explained.history],
        labels=_labels(),
    )


def of_credit_note(note: CreditNote) -> Document:
    """Answer the document of a credit note, in the language at hand."""
    invoice, refund = note.invoice, note.refund
    words = Words(invoice)
    rates = {line.tax_rate for line in invoice.lines.all()}
    rate = words.rate(rates.pop()) if len(rates) == 1 else ""
    total = note.net + note.tax
    values = {"number": invoice.number}
    standing = standing_of_note(note)
    return Document(
        language=words.language,
        title=gettext("Credit note"),
        number=note.number,
        standing=standing[1],
        standing_kind=standing[0],
        issued=note.issued_at,
        facts=[
            Fact(gettext("Credit note number"), note.number),
            Fact(gettext("Date"), words.day(note.issued_at)),
            Fact(gettext("For invoice"), invoice.number or ""),
            Fact(gettext("Invoice date"), words.day(invoice.finalised_at or note.issued_at)),
        ],
        seller=_seller(note.issued_at),
        buyer=_buyer(invoice, note.issued_at, words),
        lines=[
            DocumentLine(
                title=gettext("Refund of invoice %(number)s") % values,
                period="",
                reasons=[],
                tax_rate=rate,
                amount=words.amount(-total),
            )
        ],
        taxes=[TaxRow(rate, words.amount(-note.net), words.amount(-note.tax), words.amount(-total))]
        if note.tax
        else [],
        totals=[Fact(gettext("Net"), words.amount(-note.net)), Fact(gettext("Tax"), words.amount(-note.tax))],
        total=Fact(gettext("Total"), words.amount(-total)),
        tender=_given_back(refund, words),
        history=[],
        labels=_labels(),
    )


def _given_back(refund: Refund, words: Words) -> list[Fact]:
    """Say where the money of a refund went, and what of it nobody has to pay any more."""
    if refund.answer == Refund.Answer.PAID_OTHERWISE:
        return [Fact(gettext("Given back"), words.amount(refund.amount))]
    if refund.state == Refund.State.FAILED:
        return []
    if refund.attempt is not None:
        label = gettext("Given back to %(card)s") % {"card": card(refund.attempt.payment_method)}
        return [Fact(label, words.amount(refund.amount))]
    parts = [
        (gettext("Not charged with a later invoice any more"), refund.forgiven),
        (gettext("Given back as credit"), refund.amount - refund.forgiven),
    ]
    return [Fact(label, words.amount(amount)) for label, amount in parts if amount]


def _labels() -> dict[str, str]:
    return {
        "billed_to": gettext("Billed to"),
        "from": gettext("From"),
        "item": gettext("What for"),
        "tax_rate": gettext("Tax rate"),
        "amount": gettext("Amount"),
        "net": gettext("Net"),
        "tax": gettext("Tax"),
        "gross": gettext("With tax"),
        "history": gettext("What happened"),
        "page": gettext("Page"),
        "of": gettext("of"),
    }


def _standing(invoice: Invoice) -> tuple[str, str]:
    match invoice.status:
        case Invoice.Status.PAID:
            return "good", gettext("Paid")
        case Invoice.Status.VOID:
            return "over", gettext("Void: nothing is owed")
        case Invoice.Status.UNCOLLECTIBLE:
            return "over", gettext("Not collected: nothing is owed any more")
        case _:
            return "waiting", gettext("Open")


def standing_of_note(note: CreditNote) -> tuple[str, str]:
    """Answer how a credit note stands, with its refund read: `good`, `waiting` or `over`, and in words."""
    if note.voided_at is not None:
        return "over", gettext("Void: nothing is given back")
    if note.refund.is_given_back:
        return "good", gettext("Given back")
    if note.refund.state == Refund.State.FAILED:
        return "waiting", gettext("Not given back yet")
    return "waiting", gettext("On its way")


def _facts(invoice: Invoice, lines: Sequence[InvoiceLine], words: Words) -> list[Fact]:
    facts = [Fact(gettext("Invoice number"), invoice.number or "")]
    if invoice.finalised_at:
        facts.append(Fact(gettext("Date"), words.day(invoice.finalised_at)))
    starts = [line.service_start for line in lines if line.service_start]
    ends = [line.service_end for line in lines if line.service_end]
    if starts and ends:
        facts.append(Fact(gettext("Service"), words.period(min(starts), max(ends))))
    if invoice.paid_at:
        facts.append(Fact(gettext("Paid on"), words.day(invoice.paid_at)))
    return facts


def _by_rate(lines: Iterable[InvoiceLine]) -> dict[Decimal, tuple[int, int]]:
    rates: dict[Decimal, tuple[int, int]] = {}
    for line in lines:
        if line.tax_rate is not None:
            net, tax = rates.get(line.tax_rate, (0, 0))
            rates[line.tax_rate] = (net + line.net, tax + line.tax)
    return rates


def _tax_row(rate: Decimal, amounts: tuple[int, int], words: Words) -> TaxRow:
    net, tax = amounts
    return TaxRow(words.rate(rate), words.amount(net), words.amount(tax), words.amount(net + tax))


def _tender(invoice: Invoice, words: Words) -> list[Fact]:
    tender = _credit(invoice, words)
    for attempt in invoice.attempts.all():
        if attempt.state == PaymentAttempt.State.SUCCEEDED:
            label = gettext("Paid with %(card)s") % {"card": card(attempt.payment_method)}
            tender.append(Fact(label, words.amount(invoice.due)))
    if invoice.status == Invoice.Status.OPEN:
        tender.append(Fact(gettext("To pay"), words.amount(invoice.due)))
    for refund in invoice.refunds.all():
        if refund.state == Refund.State.SUCCEEDED and refund.owed_again:
            label = gettext("Given back, charged again with the next invoice")
            tender.append(Fact(label, words.amount(-refund.amount)))
        elif refund.is_given_back and hasattr(refund, "credit_note"):
            label = gettext("Given back, credit note %(number)s") % {"number": refund.credit_note.number}
            tender.append(Fact(label, words.amount(-refund.amount)))
    for refund in explanations.debts_refunded(invoice):
        label = gettext("Given back of what was charged for invoice %(number)s") % {"number": refund.invoice.number}
        tender.append(Fact(label, words.amount(-refund.amount)))
    return tender


def _credit(invoice: Invoice, words: Words) -> list[Fact]:
    """Say what credit paid, what of other invoices is charged with this one, and what of it another one charges."""
    if invoice.total < 0:
        return [Fact(gettext("Given as credit"), words.amount(-invoice.total))]
    uses = sorted(invoice.credit_uses.all(), key=lambda use: use.pk)
    # What was given back to the card later, and is owed again, was no part of paying it.
    paid = explanations.paid_from_credit(invoice)
    facts = [Fact(gettext("Paid from credit and gifts"), words.amount(paid))] if paid else []
    for use in uses:
        if use.amount < 0:
            label = (
                gettext("Rest of invoice %(number)s, charged with this one")
                if use.grant.kind == CreditGrant.Kind.CARRIED
                else gettext("Of invoice %(number)s, given back to the card and charged again")
            )
            facts.append(Fact(label % {"number": explanations.origin_of(use)}, words.amount(-use.amount)))
        elif use.grant.kind == CreditGrant.Kind.CARRIED and explanations.stands_as_debt(use):
            facts.append(Fact(gettext("Too little to be charged, added to the next invoice"), words.amount(use.amount)))
    return facts


def _seller(moment: datetime) -> Party:
    """Answer who sold at a moment; before anything was recorded, who is recorded first or set now."""
    versions = Seller.objects.newest()
    held = versions.filter(since__lte=moment).first() or versions.last()
    named = held or Seller(since=moment, **settings.SELLER)
    lines = [*named.address.splitlines(), named.tax_id and gettext("VAT number") + f" {named.tax_id}", named.register]
    return Party(named.name, [line for line in [*lines, named.email] if line])


def _buyer(invoice: Invoice, moment: datetime, words: Words) -> Party:
    account = invoice.account
    details = BillingDetails.objects.filter(account=invoice.account_id).at(moment).first()
    country = words.territory(invoice.country) if invoice.country else ""
    if details is None:
        return Party(account.email, [country] if country else [])
    number = details.tax_id and gettext("VAT number") + f" {details.tax_id}"
    lines = [*details.address.splitlines(), country, number, account.email]
    return Party(details.name, [line for line in lines if line])
