"""What a refund writes when its money goes: its document, its entry, and what becomes of debts and credit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from billing.models import CreditNote, Invoice, Refund
from billing.services import crediting, debts, documents, gift_sales, invoicing, ledger, recognition
from billing.services.ledger import Account, Kind
from billing.services.refunds.limits import collector_of

State = Refund.State


def return_to_credit(refund: Refund, *, now: datetime) -> Refund:
    """Let what credit had paid become credit again; the invoice is locked."""
    returned = crediting.give_back(refund.invoice, refund.amount)
    refund.state, refund.settled_at, refund.forgiven = State.SUCCEEDED, now, returned.forgiven
    refund.save(update_fields=["state", "settled_at", "forgiven"])
    issue(refund, returned.lines, now=now)
    return refund


def issue(refund: Refund, paid_from: Mapping[tuple[Account, str], int], *, now: datetime) -> None:
    """Write a refund's credit note and book it against where the money goes from."""
    if _is_overpaid(refund):
        # There is no invoice to correct.
        _book(refund, "refund", {(Account.CREDIT, ""): refund.amount, **paid_from}, now=now)
        return
    if refund.owed_again:
        debts.owe_again(refund.invoice, refund.amount, cause=refund.pk, by=refund.requested_by, now=now)
        _book(refund, "refund", {(Account.CREDIT, ""): refund.amount, **paid_from}, now=now)
        documents.mail_owed_again(refund, now=now)
        return
    if collector := collector_of(refund):
        debts.uncollect(refund.invoice, collector, refund.amount)
    if refund.invoice.kind == Invoice.Kind.ONE_OFF:
        lines = {gift_sales.give_up(refund.invoice_id): refund.amount}
    else:
        lines = _service_given_up(refund, now=now)
    _book(refund, "refund", {**lines, **paid_from}, now=now)
    documents.mail_credit_note(_take_over(refund, now=now) or _write(refund, now=now), now=now)


def _write(refund: Refund, *, now: datetime) -> CreditNote:
    series, sequence = invoicing.reserve_numbers(1, code=invoicing.CREDIT_NOTES, now=now)
    return CreditNote.objects.create(
        refund=refund,
        invoice=refund.invoice,
        series=series,
        sequence=sequence,
        number=invoicing.number_of(series, sequence),
        net=refund.net,
        tax=refund.tax,
        issued_at=now,
    )


def _take_over(refund: Refund, *, now: datetime) -> CreditNote | None:
    """Answer the credit note of a failed refund that this one is another try of, as this one's.

    One that says something else, since more was given back meanwhile, is void, and the answer is None.
    """
    first = note_of(refund)
    if first is None:
        return None
    if (first.net, first.tax) != (refund.net, refund.tax):
        void(first, now=now)
        return None
    first.refund = refund
    first.save(update_fields=["refund"])
    return first


def note_of(refund: Refund) -> CreditNote | None:
    """Answer the credit note of a refund, or of the failed one that it is another try of."""
    tried: Refund | None = refund
    while tried is not None:
        if note := CreditNote.objects.filter(refund=tried).first():
            return note
        tried = Refund.objects.filter(invoice=refund.invoice_id, retry=tried).first()
    return None


def void(note: CreditNote, *, now: datetime) -> None:
    """Let nothing be given back with a credit note that says so."""
    note.voided_at = now
    note.save(update_fields=["voided_at"])


def _service_given_up(refund: Refund, *, now: datetime) -> dict[tuple[Account, str], int]:
    unserved = recognition.give_up(source_key=f"refund:{refund.pk}", invoice=refund.invoice, amount=refund.net, now=now)
    return {
        (Account.DEFERRED, ""): unserved,
        (Account.REFUNDS, ""): refund.net - unserved,
        (Account.TAX, refund.invoice.country): refund.tax,
    }


def take_back(refund: Refund, *, now: datetime) -> None:
    """Undo the booking of a refund that came back, and owe its money to the customer again; its credit note stands."""
    if collector := collector_of(refund):
        debts.collect_again(refund.invoice, collector, refund.amount)
    if _is_overpaid(refund):
        lines = {(Account.CREDIT, ""): -refund.amount}
    elif refund.owed_again:
        debts.owe_no_more(refund.invoice, cause=refund.pk)
        lines = {(Account.CREDIT, ""): -refund.amount}
    elif refund.invoice.kind == Invoice.Kind.ONE_OFF:
        gift_sales.owe_again(refund.invoice_id)
        lines = {(Account.GIFTS, ""): -refund.amount}
    else:
        lines = {
            (Account.REFUNDS, ""): -refund.net,
            (Account.TAX, refund.invoice.country): -refund.tax,
        }
    _book(refund, "refund_failed", lines | {(Account.CLEARING, ""): refund.amount}, now=now)


def pay_otherwise(refund: Refund, *, now: datetime) -> None:
    """Book a failed refund of a locked paid invoice as paid from our bank: what `take_back` undid is so after all."""
    bank = {(Account.BANK, ""): -refund.amount}
    if not CreditNote.objects.filter(refund=refund).exists():
        # It failed before its document was written, or taken over.
        issue(refund, bank, now=now)
        return
    if collector := collector_of(refund):
        debts.uncollect(refund.invoice, collector, refund.amount)
    if refund.invoice.kind == Invoice.Kind.ONE_OFF:
        lines = {gift_sales.give_up(refund.invoice_id): refund.amount}
    else:
        lines = {(Account.REFUNDS, ""): refund.net, (Account.TAX, refund.invoice.country): refund.tax}
    _book(refund, "refund_paid_otherwise", {**lines, **bank}, now=now)


def _book(refund: Refund, what: str, lines: dict[tuple[Account, str], int], *, now: datetime) -> None:
    ledger.book(
        source_key=f"{what}:{refund.pk}",
        kind=Kind.REFUND,
        currency=refund.currency,
        lines=lines,
        now=now,
        reference=refund.gateway_id,
        invoice_id=refund.invoice_id,
    )


def _is_overpaid(refund: Refund) -> bool:
    return refund.invoice.status == Invoice.Status.VOID


def put_back_overpaid(refund: Refund) -> None:
    """Give the credit again that an overpaid charge became, where its refund comes to nothing."""
    if _is_overpaid(refund) and refund.attempt is not None:
        crediting.put_back(refund.attempt, refund.amount)
