"""Giving money back: asked for, above a limit approved by a second person, sent, and settled.

The same protocol as for charges: the refund is committed with its key before the call, and whatever is not
answered is asked again with the same key. `limits` says how much can go back where, `asking` who may have it, `sending`
what the gateway made of it, `issuing` writes documents and books, and `answering` says what became of one that failed.
"""

from billing.services.refunds.answering import AnswerWithoutReason, NotUnanswered, answer, retry
from billing.services.refunds.asking import (
    REFUSED_BY,
    NoNextInvoice,
    NotRefundable,
    NotWaiting,
    SecondPersonRequired,
    approve,
    refuse,
    refuse_waiting,
    request,
    request_owed_again,
    return_charge,
)
from billing.services.refunds.limits import charge_left, given_back, paid_by_card, parts_of, refundable, unreturned
from billing.services.refunds.sending import send, settle, sweep

__all__ = [
    "REFUSED_BY",
    "AnswerWithoutReason",
    "NoNextInvoice",
    "NotRefundable",
    "NotUnanswered",
    "NotWaiting",
    "SecondPersonRequired",
    "answer",
    "approve",
    "charge_left",
    "given_back",
    "paid_by_card",
    "parts_of",
    "refundable",
    "refuse",
    "refuse_waiting",
    "request",
    "request_owed_again",
    "retry",
    "return_charge",
    "send",
    "settle",
    "sweep",
    "unreturned",
]
