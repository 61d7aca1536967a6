"""Giving money back: asked for, above a limit approved by a second person, sent, and settled.

The same protocol as for charges: the refund is committed with its key before the call, and whatever is not
answered is asked again with the same key.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from billing import amounts, rules
from billing.amounts import Taxed
from billing.gateway import Gateway, RefundKind, RefundOutcome
from billing.models import CreditNote, Dispute, Gift, Invoice, PaymentAttempt, Refund
from billing.services import crediting, documents, gift_sales, invoicing, ledger, recognition, setbacks
from billing.services.ledger import Account, Kind
from billing.services.setbacks import Sweep
from core.errors import DomainError

SWEEP_SIZE = 100

State = Refund.State


class NotRefundable(DomainError):
    """Not paid, given back already, more than is left, or in dispute."""

    code: ClassVar[str] = "not_refundable"
    title: ClassVar[str] = "This cannot be given back: it is not paid, it is more than is left, or it is in dispute."
    status: ClassVar[int] = 409


class NoNextInvoice(DomainError):
    """Nothing will charge it again: no subscription goes on."""

    code: ClassVar[str] = "no_next_invoice"
    title: ClassVar[str] = "This cannot be owed again: there is no next invoice that would charge it."
    status: ClassVar[int] = 409


class SecondPersonRequired(DomainError):
    """Who asked for a refund cannot approve it."""

    code: ClassVar[str] = "second_person_required"
    title: ClassVar[str] = "Somebody else has to approve this refund."
    status: ClassVar[int] = 409


class NotWaiting(DomainError):
    """The refund was approved or refused already."""

    code: ClassVar[str] = "not_waiting"
    title: ClassVar[str] = "This refund does not wait for approval."
    status: ClassVar[int] = 409


@transaction.atomic
def request(*, invoice_id: UUID, amount: int, reason: str, by: str, now: datetime, owed_by_law: bool = False) -> Refund:
    """Ask for a refund of an invoice, in minor units with tax; the last one takes what remains.

    What a card paid goes back to it first; what credit paid goes back to credit, as a refund of its own, and the
    answer is that of the card where there are both. Up to REFUND_APPROVAL_LIMIT it may be sent at once; above, a
    second person approves it, unless it is owed by law. Raises NotRefundable.
    """
    invoice, attempt = _charged(invoice_id, amount)
    state = State.APPROVED if owed_by_law else _state_of(amount)
    ask = partial(_ask, invoice, state=state, reason=reason, by=by, now=now)
    if attempt is not None and invoice.status == Invoice.Status.VOID:
        # Charged although nothing was owed: it became credit, which is taken back before it is sent.
        if not crediting.withhold(attempt, amount):
            raise NotRefundable
        return ask(attempt, Taxed(amount, 0))
    if invoice.kind == Invoice.Kind.ONE_OFF and (
        amount != invoice.total or not all(map(gift_sales.returnable, Gift.objects.locked().filter(invoice=invoice)))
    ):
        raise NotRefundable
    whole, given = parts_of(invoice), given_back(invoice)
    if (
        invoice.status != Invoice.Status.PAID
        or invoice.kind == Invoice.Kind.DEBIT
        or amount > whole.gross - given.gross
    ):
        raise NotRefundable
    to_card = min(amount, _left_of(attempt, invoice)) if attempt else 0
    to_credit = amount - to_card
    waiting = _given_back(Refund.objects.filter(invoice=invoice, attempt=None).exclude(state=State.SUCCEEDED))
    if to_credit > max(0, crediting.returnable(invoice)) - waiting.gross:
        raise NotRefundable
    asked = []
    for source, part in ((attempt, to_card), (None, to_credit)):
        if part:
            parts = amounts.refund_parts(whole, refunded=given, amount=part)
            given = Taxed(given.net + parts.net, given.tax + parts.tax)
            asked.append(ask(source, parts))
    if to_credit and state == State.APPROVED:
        _return_to_credit(asked[-1], now=now)
    return asked[0]


@transaction.atomic
def request_owed_again(*, invoice_id: UUID, amount: int, reason: str, by: str, now: datetime) -> Refund:
    """Ask for a refund of what a card paid of an invoice that stays as it is: its customer owes it again.

    No document corrects the invoice; the next one charges the amount with its own. Approved like any other refund.
    Raises NotRefundable, NoNextInvoice.
    """
    invoice, attempt = _charged(invoice_id, amount)
    if (
        attempt is None
        or invoice.status != Invoice.Status.PAID
        or invoice.subscription is None
        or amount > _left_of(attempt, invoice)
    ):
        raise NotRefundable
    _check_goes_on(invoice)
    state = _state_of(amount)
    return _ask(invoice, attempt, Taxed(amount, 0), state=state, reason=reason, by=by, now=now, owed_again=True)


def _check_goes_on(invoice: Invoice) -> None:
    """Raise NoNextInvoice for an invoice after which no other comes."""
    subscription = invoice.subscription
    if subscription is None or subscription.status not in rules.BILLABLE or subscription.cancel_at is not None:
        raise NoNextInvoice


def _charged(invoice_id: UUID, amount: int) -> tuple[Invoice, PaymentAttempt | None]:
    """Lock an invoice and what charged it. Raises NotRefundable for no amount, and while a bank has the payment."""
    invoice = Invoice.objects.locked().select_related("subscription").get(pk=invoice_id)
    attempt = PaymentAttempt.objects.locked().filter(invoice=invoice, state=PaymentAttempt.State.SUCCEEDED).first()
    if amount <= 0 or (attempt is not None and Dispute.objects.blocking().filter(attempt=attempt).exists()):
        raise NotRefundable
    return invoice, attempt


def _state_of(amount: int) -> Refund.State:
    return State.REQUESTED if amount > settings.REFUND_APPROVAL_LIMIT else State.APPROVED


def _left_of(attempt: PaymentAttempt, invoice: Invoice) -> int:
    """Answer what of a charge has not been given back to its card."""
    return paid_by_card(invoice) - _given_back(Refund.objects.filter(attempt=attempt)).gross


def _ask(
    invoice: Invoice,
    attempt: PaymentAttempt | None,
    parts: Taxed,
    *,
    state: Refund.State,
    reason: str,
    by: str,
    now: datetime,
    owed_again: bool = False,
) -> Refund:
    return Refund.objects.create(
        owed_again=owed_again,
        attempt=attempt,
        invoice=invoice,
        amount=parts.gross,
        net=parts.net,
        tax=parts.tax,
        currency=invoice.currency,
        reason=reason[:200],
        state=state,
        requested_by=by,
        requested_at=now,
    )


def parts_of(invoice: Invoice) -> Taxed:
    """Answer an invoice's total with its tax apart."""
    sums = invoice.lines.aggregate(gross=Sum("amount"), tax=Sum("tax"))
    return Taxed(sums["gross"] - sums["tax"], sums["tax"])


def paid_by_card(invoice: Invoice) -> int:
    """Answer what was charged for an invoice, in minor units; of one that is owed without the debts charged with it."""
    return invoice.due if invoice.status == Invoice.Status.VOID else min(invoice.due, parts_of(invoice).gross)


def given_back(invoice: Invoice) -> Taxed:
    """Answer what was given back of an invoice, or is about to be; what is owed again is not."""
    return _given_back(Refund.objects.filter(invoice=invoice, owed_again=False))


def refundable(invoice: Invoice) -> int:
    """Answer what of a paid invoice has not been given back, in minor units with tax.

    Of one that was not owed when it was charged, it is what was charged.
    """
    paid = invoice.due if invoice.status == Invoice.Status.VOID else parts_of(invoice).gross
    return max(0, paid - given_back(invoice).gross)


def _given_back(of: QuerySet[Refund]) -> Taxed:
    sums = of.filter(state__in=[*Refund.OPEN, State.SUCCEEDED]).aggregate(net=Sum("net"), tax=Sum("tax"))
    return Taxed(sums["net"] or 0, sums["tax"] or 0)


@transaction.atomic
def approve(*, refund_id: UUID, by: str) -> Refund:
    """Let a refund be sent. Raises NotWaiting, SecondPersonRequired, NoNextInvoice."""
    refund = _waiting(refund_id)
    if refund.requested_by == by:
        raise SecondPersonRequired
    if refund.owed_again:
        _check_goes_on(refund.invoice)
    refund.state, refund.approved_by = State.APPROVED, by
    refund.save(update_fields=["state", "approved_by"])
    return refund


@transaction.atomic
def refuse(*, refund_id: UUID, by: str, now: datetime) -> Refund:
    """Let a refund be forgotten; who asked for it may do so too. Raises NotWaiting."""
    return _refuse(_waiting(refund_id), f"refused by {by}", now=now)


def refuse_waiting(which: Q, why: str, *, now: datetime) -> None:
    """Let go of some refunds that wait for a second person; their invoices are locked."""
    for refund in Refund.objects.locked().filter(which, state=State.REQUESTED):
        _refuse(refund, why, now=now)


def _refuse(refund: Refund, why: str, *, now: datetime) -> Refund:
    refund.state, refund.failure, refund.settled_at = State.REFUSED, why[:100], now
    refund.save(update_fields=["state", "failure", "settled_at"])
    _put_back_overpaid(refund)
    return refund


def _waiting(refund_id: UUID) -> Refund:
    refund = Refund.objects.locked().get(pk=refund_id)
    if refund.state != State.REQUESTED:
        raise NotWaiting
    return refund


def send(*, refund_id: UUID, gateway: Gateway, now: datetime) -> Refund:
    """Send an approved refund, or ask again how it stands; does nothing with one that is settled."""
    refund = Refund.objects.select_related("attempt").get(pk=refund_id)
    if refund.attempt is None:
        return _send_to_credit(refund_id, now=now)
    if refund.state == State.PENDING:
        return settle(refund_id=refund_id, outcome=gateway.refund_status(refund.gateway_id), now=now)
    if refund.state != State.APPROVED:
        return refund
    # The key may be forgotten by now, so a refund that the gateway has is found first.
    found = gateway.find_refund(payment_intent=refund.attempt.gateway_id, refund_id=str(refund.pk))
    outcome = found or gateway.refund(
        payment_intent=refund.attempt.gateway_id,
        amount=refund.amount,
        currency=refund.currency,
        refund_id=str(refund.pk),
        idempotency_key=f"ref_{refund.pk}",
    )
    return settle(refund_id=refund_id, outcome=outcome, now=now)


@transaction.atomic
def _send_to_credit(refund_id: UUID, *, now: datetime) -> Refund:
    Invoice.objects.locked().get(refunds=refund_id)
    refund = Refund.objects.select_related("invoice").locked().get(pk=refund_id)
    return _return_to_credit(refund, now=now) if refund.state == State.APPROVED else refund


def _return_to_credit(refund: Refund, *, now: datetime) -> Refund:
    """Let what credit had paid become credit again; the invoice is locked."""
    refund.state, refund.settled_at = State.SUCCEEDED, now
    refund.save(update_fields=["state", "settled_at"])
    _issue(refund, crediting.give_back(refund.invoice, refund.amount), now=now)
    return refund


def sweep(*, gateway: Gateway, now: datetime) -> int:
    """Send and ask after what is under way; answers how many."""
    under_way = Refund.objects.filter(state__in=[State.APPROVED, State.PENDING]).order_by("pk")
    waiting = setbacks.without(Sweep.REFUNDS, under_way, now=now).values_list("pk", flat=True)[:SWEEP_SIZE]
    return len(
        setbacks.each(
            Sweep.REFUNDS, waiting, lambda refund_id: send(refund_id=refund_id, gateway=gateway, now=now), now=now
        )
    )


@transaction.atomic
def settle(*, refund_id: UUID, outcome: RefundOutcome, now: datetime) -> Refund:
    """Record what became of a refund, once, with its credit note and its entry; unknown changes nothing.

    What had succeeded may fail later, when the customer's bank sends it back.
    """
    # Two of one invoice at once would give the same unearned revenue up.
    Invoice.objects.locked().get(refunds=refund_id)
    refund = Refund.objects.select_related("invoice").locked().get(pk=refund_id)
    comes_back = refund.state == State.SUCCEEDED and outcome.kind is RefundKind.FAILED and refund.attempt_id is not None
    if outcome.kind is RefundKind.UNKNOWN or not (refund.state in {State.APPROVED, State.PENDING} or comes_back):
        return refund
    before = refund.state
    refund.gateway_id = outcome.id or refund.gateway_id
    refund.failure = outcome.code
    refund.state = {
        RefundKind.SUCCEEDED: State.SUCCEEDED,
        RefundKind.PENDING: State.PENDING,
        RefundKind.FAILED: State.FAILED,
    }[outcome.kind]
    if refund.state != State.PENDING:
        refund.settled_at = now
    refund.save(update_fields=["state", "gateway_id", "failure", "settled_at"])
    accepted = refund.state in {State.PENDING, State.SUCCEEDED}
    if accepted and before == State.APPROVED:
        # Stripe takes it from the balance when it accepts it.
        _issue(refund, {(Account.CLEARING, ""): -refund.amount}, now=now)
    elif refund.state == State.FAILED:
        if before != State.APPROVED:
            _take_back(refund, now=now)
        _put_back_overpaid(refund)
    return refund


def _issue(refund: Refund, paid_from: dict[tuple[Account, str], int], *, now: datetime) -> None:
    """Write a refund's credit note and book it against where the money goes from."""
    if _is_overpaid(refund):
        # There is no invoice to correct.
        _book(refund, "refund", {(Account.CREDIT, ""): refund.amount, **paid_from}, now=now)
        return
    if refund.owed_again:
        crediting.owe_again(refund.invoice, refund.amount, cause=refund.pk, by=refund.requested_by, now=now)
        _book(refund, "refund", {(Account.CREDIT, ""): refund.amount, **paid_from}, now=now)
        documents.mail_owed_again(refund, now=now)
        return
    if refund.invoice.kind == Invoice.Kind.ONE_OFF:
        lines = {gift_sales.give_up(refund.invoice_id): refund.amount}
    else:
        lines = _service_given_up(refund, now=now)
    _book(refund, "refund", lines | paid_from, now=now)
    series, sequence = invoicing.reserve_numbers(1, code=invoicing.CREDIT_NOTES, now=now)
    note = CreditNote.objects.create(
        refund=refund,
        invoice=refund.invoice,
        series=series,
        sequence=sequence,
        number=invoicing.number_of(series, sequence),
        net=refund.net,
        tax=refund.tax,
        issued_at=now,
    )
    documents.mail_credit_note(note, now=now)


def _service_given_up(refund: Refund, *, now: datetime) -> dict[tuple[Account, str], int]:
    unserved = recognition.give_up(source_key=f"refund:{refund.pk}", invoice=refund.invoice, amount=refund.net, now=now)
    return {
        (Account.DEFERRED, ""): unserved,
        (Account.REFUNDS, ""): refund.net - unserved,
        (Account.TAX, refund.invoice.country): refund.tax,
    }


def _take_back(refund: Refund, *, now: datetime) -> None:
    if _is_overpaid(refund):
        lines = {(Account.CREDIT, ""): -refund.amount}
    elif refund.owed_again:
        crediting.owe_no_more(refund.invoice, cause=refund.pk)
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


def _put_back_overpaid(refund: Refund) -> None:
    if _is_overpaid(refund) and refund.attempt is not None:
        crediting.put_back(refund.attempt, refund.amount)
