"""Who may have how much back: asked for by one person, above a limit approved by another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from billing import amounts, rules
from billing.amounts import Taxed
from billing.models import Dispute, Gift, Invoice, PaymentAttempt, Refund, Subscription
from billing.selectors import whereabouts
from billing.services import crediting, gift_sales
from billing.services.refunds.issuing import put_back_overpaid, return_to_credit
from billing.services.refunds.limits import charge_left, given_back, parts_of, refundable, sources_of
from core.errors import DomainError

State = Refund.State
REFUSED_BY = "refused by "
"""How `failure` begins of one that somebody refused; who it was follows."""


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

    A debt that stands for it is forgiven first. What a card paid goes back to it: the charge of the invoice, then those
    that collected such debts with another. What credit paid goes back to credit. Each is a refund of its own, and the
    answer is that of the first card where there is one. Up to REFUND_APPROVAL_LIMIT it may be sent at once; above, a
    second person approves it, unless it is owed by law. Raises NotRefundable.
    """
    state = State.APPROVED if owed_by_law else _state_of(amount)
    asked = ask_parts(invoice_id=invoice_id, amount=amount, state=state, reason=reason, by=by, now=now)
    return_at_once(asked, now=now)
    return asked[0]


def ask_parts(
    *, invoice_id: UUID, amount: int, reason: str, by: str, now: datetime, state: Refund.State | None = None
) -> list[Refund]:
    """Write each refund that `request` asks for, that of credit last; `return_at_once` is next. Raises NotRefundable."""
    invoice, attempt = _charged(invoice_id, amount)
    ask = partial(_ask, invoice, state=state or _state_of(amount), reason=reason, by=by, now=now)
    if attempt is not None and invoice.status == Invoice.Status.VOID:
        # Charged although nothing was owed: it became credit, which is taken back before it is sent.
        if not crediting.withhold(attempt, amount):
            raise NotRefundable
        return [ask(attempt, Taxed(amount, 0))]
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
    split = sources_of(invoice, attempt).split(amount)
    if split is None:
        raise NotRefundable
    asked = []
    for source, part in split:
        parts = amounts.refund_parts(whole, refunded=given, amount=part)
        given = Taxed(given.net + parts.net, given.tax + parts.tax)
        asked.append(ask(source, parts))
    return asked


def return_at_once(asked: Sequence[Refund], *, now: datetime) -> None:
    """Return to credit what needs no gateway and nobody's approval; the invoice is locked."""
    if asked[-1].attempt_id is None and asked[-1].state == State.APPROVED:
        return_to_credit(asked[-1], now=now)


@transaction.atomic
def request_owed_again(*, invoice_id: UUID, amount: int, reason: str, by: str, now: datetime) -> Refund:
    """Ask for a refund of what a card paid of an invoice that stays as it is: its customer owes it again.

    No document corrects the invoice; the next one charges the amount with its own. Approved like any other refund.
    Raises NotRefundable, NoNextInvoice.
    """
    subscription = _lock_subscription(invoice_id)
    invoice, attempt = _charged(invoice_id, amount)
    if (
        attempt is None
        or invoice.status != Invoice.Status.PAID
        or subscription is None
        or amount > charge_left(attempt)
    ):
        raise NotRefundable
    _check_goes_on(subscription)
    state = _state_of(amount)
    return _ask(invoice, attempt, Taxed(amount, 0), state=state, reason=reason, by=by, now=now, owed_again=True)


@transaction.atomic
def return_charge(*, invoice_id: UUID, at_most: int, reason: str, by: str, now: datetime) -> Refund | None:
    """Ask for all of a charge back without a second person, if that is no more than `at_most` in minor units.

    Its invoice is corrected. What it had collected of debts besides is owed again. Refunds that wait give way. Answers
    None where nothing is left. Raises NotRefundable, also where it is too much.
    """
    invoice = Invoice.objects.locked().get(pk=invoice_id)
    charges = PaymentAttempt.objects.locked().select_related("invoice")
    attempt = charges.filter(invoice=invoice, state=PaymentAttempt.State.SUCCEEDED).first()
    refuse_waiting(Q(invoice=invoice) | Q(attempt=attempt) if attempt else Q(invoice=invoice), reason, now=now)
    corrected = refundable(invoice)
    debts = max(0, charge_left(attempt) - corrected) if attempt and invoice.status == Invoice.Status.PAID else 0
    if corrected + debts > at_most:
        raise NotRefundable
    asked = []
    if corrected:
        asked.append(request(invoice_id=invoice_id, amount=corrected, reason=reason, by=by, now=now, owed_by_law=True))
    if attempt and (debts := charge_left(attempt)) > 0 and invoice.status == Invoice.Status.PAID:
        owed = partial(_ask, invoice, attempt, Taxed(debts, 0), state=State.APPROVED, owed_again=True)
        asked.append(owed(reason=reason, by=by, now=now))
    return asked[0] if asked else None


def _lock_subscription(invoice_id: UUID) -> Subscription | None:
    """Lock the subscription of an invoice, before the invoice; what is sold apart from one has none."""
    return Subscription.objects.locked().select_related("price").filter(invoices=invoice_id).first()


def _check_goes_on(subscription: Subscription | None) -> None:
    """Raise NoNextInvoice for a locked subscription that bills no other period, or bills it in another currency."""
    if subscription is None or subscription.status not in rules.BILLABLE or subscription.cancel_at is not None:
        raise NoNextInvoice
    starts = subscription.resume_at or subscription.paid_through
    move = whereabouts.moves([subscription]).at(subscription, starts) if starts else None
    if move is not None and move.price_of(subscription.price).currency != subscription.price.currency:
        raise NoNextInvoice


def _charged(invoice_id: UUID, amount: int) -> tuple[Invoice, PaymentAttempt | None]:
    """Lock an invoice and what charged it. Raises NotRefundable for no amount, and while a bank has the payment."""
    invoice = Invoice.objects.locked().get(pk=invoice_id)
    charges = PaymentAttempt.objects.locked().select_related("invoice")
    attempt = charges.filter(invoice=invoice, state=PaymentAttempt.State.SUCCEEDED).first()
    if amount <= 0 or (attempt is not None and Dispute.objects.blocking().filter(attempt=attempt).exists()):
        raise NotRefundable
    return invoice, attempt


def _state_of(amount: int) -> Refund.State:
    return State.REQUESTED if amount > settings.REFUND_APPROVAL_LIMIT else State.APPROVED


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


@transaction.atomic
def approve(*, refund_id: UUID, by: str) -> Refund:
    """Let a refund be sent. Raises NotWaiting, SecondPersonRequired, NoNextInvoice."""
    # Who cancels, withdraws or disputes meanwhile waits, or is seen.
    invoice_id = Refund.objects.values_list("invoice", flat=True).get(pk=refund_id)
    subscription = _lock_subscription(invoice_id)
    Invoice.objects.locked().get(pk=invoice_id)
    refund = _waiting(refund_id)
    if refund.requested_by == by:
        raise SecondPersonRequired
    if refund.owed_again:
        _check_goes_on(subscription)
    refund.state, refund.approved_by = State.APPROVED, by
    refund.save(update_fields=["state", "approved_by"])
    return refund


@transaction.atomic
def refuse(*, refund_id: UUID, by: str, now: datetime) -> Refund:
    """Let a refund be forgotten; who asked for it may do so too. Raises NotWaiting."""
    return _refuse(_waiting(refund_id), f"{REFUSED_BY}{by}", now=now)


def refuse_waiting(which: Q, why: str, *, now: datetime) -> None:
    """Let go of some refunds that wait for a second person; their invoices are locked."""
    for refund in Refund.objects.locked().filter(which, state=State.REQUESTED):
        _refuse(refund, why, now=now)


def _refuse(refund: Refund, why: str, *, now: datetime) -> Refund:
    refund.state, refund.failure, refund.settled_at = State.REFUSED, why[:100], now
    refund.save(update_fields=["state", "failure", "settled_at"])
    put_back_overpaid(refund)
    return refund


def _waiting(refund_id: UUID) -> Refund:
    refund = Refund.objects.locked().get(pk=refund_id)
    if refund.state != State.REQUESTED:
        raise NotWaiting
    return refund
