"""What becomes of a refund that failed: its money is with us again, and somebody says what is done about it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db import transaction

from billing.models import Dispute, Gift, Invoice, PaymentAttempt, Refund
from billing.services import debts, gift_sales
from billing.services.refunds import issuing
from billing.services.refunds.asking import NotRefundable, ask_parts, return_at_once
from billing.services.refunds.limits import charge_left, collector_of, refundable
from core.errors import DomainError

Answer = Refund.Answer


class NotUnanswered(DomainError):
    """The refund has not failed, or somebody has answered it."""

    code: ClassVar[str] = "refund_not_unanswered"
    title: ClassVar[str] = "This refund has not failed, or was answered already."
    status: ClassVar[int] = 409


class AnswerWithoutReason(DomainError):
    """Nothing says how it was paid, or why it is not owed."""

    code: ClassVar[str] = "answer_without_reason"
    title: ClassVar[str] = "Say how it was paid, or why it is not owed to the customer."
    status: ClassVar[int] = 400


@transaction.atomic
def retry(*, refund_id: UUID, by: str, now: datetime) -> Refund:
    """Ask for a failed refund once more, with all that is asked of any; answers the new one, whose answer this is.

    Accepted, it takes the failed one's credit note over, so that money which goes back has one document. If a second
    person refuses it, the failed one is unanswered again. Raises NotUnanswered, NotRefundable.
    """
    # Not locked yet: the invoice is locked before it.
    failed = _unanswered(refund_id)
    asked = ask_parts(invoice_id=failed.invoice_id, amount=failed.amount, reason=failed.reason, by=by, now=now)
    _answer(_unanswered(refund_id, lock=True), Answer.RETRIED, by=by, now=now, again=asked[0])
    # What goes to credit is issued at once, and finds the credit note by the answer.
    return_at_once(asked, now=now)
    return asked[0]


@transaction.atomic
def answer(*, refund_id: UUID, how: Refund.Answer, reason: str, by: str, now: datetime) -> Refund:
    """Put on record that a failed refund was paid in another way, or is not owed, and how or why.

    It moves no money. What was paid is booked from our bank and cannot be given back once more; what is not owed stays
    with us, as the books have it, and its credit note is void. Raises NotUnanswered, AnswerWithoutReason, and
    NotRefundable for what was paid though its invoice was given back meanwhile, or is in dispute.
    """
    if not reason.strip():
        raise AnswerWithoutReason
    if how is Answer.PAID_OTHERWISE:
        _lock_payable(_unanswered(refund_id))
    failed = _answer(_unanswered(refund_id, lock=True), how, by=by, now=now, reason=reason.strip())
    if how is Answer.PAID_OTHERWISE:
        issuing.pay_otherwise(failed, now=now)
    elif note := issuing.note_of(failed):
        issuing.void(note, now=now)
    return failed


def _lock_payable(failed: Refund) -> None:
    """Lock what a failed refund would give back. Raises NotRefundable where less than that is left."""
    invoice = Invoice.objects.locked().get(pk=failed.invoice_id)
    attempt = PaymentAttempt.objects.select_related("invoice").locked().get(refunds=failed)
    collector = collector_of(failed)
    collected = debts.collected(invoice).get(collector, 0) if collector else failed.amount
    if (
        failed.amount > min(refundable(invoice), charge_left(attempt), collected)
        or Dispute.objects.blocking().filter(attempt=attempt).exists()
        or not all(map(gift_sales.returnable, Gift.objects.locked().filter(invoice=invoice)))
    ):
        raise NotRefundable


def _unanswered(refund_id: UUID, *, lock: bool = False) -> Refund:
    if lock:
        Refund.objects.locked().get(pk=refund_id)
    found = Refund.objects.unanswered().filter(pk=refund_id).first()
    if found is None:
        raise NotUnanswered
    return found


def _answer(
    failed: Refund, how: Refund.Answer, *, by: str, now: datetime, reason: str = "", again: Refund | None = None
) -> Refund:
    failed.answer, failed.answer_reason, failed.retry = how, reason[:200], again
    failed.answered_by, failed.answered_at = by, now
    failed.save(update_fields=["answer", "answer_reason", "retry", "answered_by", "answered_at"])
    return failed
