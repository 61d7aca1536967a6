"""Parked subscriptions: why each stands still, and the way out that staff can take.

Nothing parked is charged. Each reason has one way out; taking it puts the subscription back into the schedule at a time
at which what parked it is over. What is still wrong then parks it again, and nothing was charged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from django.db import transaction

from billing import rules
from billing.models import Dispute, Invoice, PaymentAttempt, Subscription
from billing.services import cycles, records
from core.errors import DomainError
from core.words import gettext_lazy as _


class NotParked(DomainError):
    """The subscription is in the schedule already."""

    code: ClassVar[str] = "not_parked"
    title: ClassVar[str] = "This subscription is not parked."
    status: ClassVar[int] = 409


class WaitsForTheBank(DomainError):
    """What is in dispute is decided by a bank, not by us."""

    code: ClassVar[str] = "waits_for_the_bank"
    title: ClassVar[str] = "The dispute is decided by the customer's bank; then this goes on or ends by itself."
    status: ClassVar[int] = 409


@dataclass(frozen=True)
class Way:
    """A reason in words, and what leads out of it."""

    why: str
    out: str


WAYS = {
    "dispute_open": Way(
        _("The customer's bank has taken a payment back and decides whose it is."),
        _("Submit the evidence of the dispute. Won, it goes on by itself; lost, it ends."),
    ),
    "early_fraud_warning": Way(
        _("The card's bank says that its holder knows nothing of a payment, and it was too much to give back unasked."),
        _("Refund the invoice and cancel if it was fraud. If it was the customer, put it back."),
    ),
    "second_charge_within_20_hours": Way(
        _("It was charged less than 20 hours before the next charge was due."),
        _("Look why it was due twice. Put back, it is charged when the 20 hours are over."),
    ),
    "more_than_2_invoices_a_day": Way(
        _("More than two invoices would have been made within a day."),
        _("Look at the invoices of the day. Put back, it is billed a day from now."),
    ),
    "amount_above_3x_list_price": Way(
        _("The amount is more than three times the list price."),
        _("Correct the price by a new version, then put it back."),
    ),
    "period_beyond_13_months": Way(
        _("The next period would be longer than 13 months, or end before it begins."),
        _("Correct anchor and interval with whoever looks after the database, then put it back."),
    ),
    "due_before_its_boundary": Way(
        _("It was due before what is paid for is over."),
        _("Put back, it is due again at the end of what is paid for."),
    ),
    "retry_without_open_invoice": Way(
        _("A payment was to be tried again, and no invoice is open."),
        _("Put back, it is renewed when what is paid for is over."),
    ),
    "restarted_after_its_period": Way(
        _("It was paid so late that the period it paid for was over."),
        _("Refund the invoice or grant access for as long, then put it back: it is renewed from now on."),
    ),
}
BEGINNINGS = {
    "charged_for_": Way(
        _("A charge succeeded for an invoice that nobody owed any more; the money became credit."),
        _("Refund it, or leave it as credit for the next invoice. Then put it back."),
    ),
    "gateway_refused_": Way(
        _("Stripe refused the request itself, which no other try would mend; the reason names its code."),
        _("Correct what the code names, at Stripe or in the card. Put back, it is tried again now."),
    ),
}
ELSE = Way(
    _("The database refused what was to be written; the reason names the constraint."),
    _("Look into the error of that time. Put back, it is tried again now."),
)


def way(reason: str) -> Way:
    """Answer a reason in words, with its way out."""
    for beginning, found in BEGINNINGS.items():
        if reason.startswith(beginning):
            return found
    return WAYS.get(reason, ELSE)


@transaction.atomic
def put_back(*, subscription_id: UUID, now: datetime, by: str) -> Subscription:
    """Take the way out of a parked subscription. Raises NotParked, WaitsForTheBank."""
    subscription = Subscription.objects.locked().get(pk=subscription_id)
    if subscription.parked_at is None:
        raise NotParked
    reason = subscription.parked_reason
    # Whatever parked it first: nothing is charged while a payment of it is in dispute.
    if Dispute.objects.withholding().filter(attempt__invoice__subscription=subscription).exists():
        raise WaitsForTheBank
    if subscription.next_bill_at is not None:
        if reason == "retry_without_open_invoice" and subscription.status == rules.Status.ACTIVE:
            subscription.next_step = rules.Step.RENEW
        await_charge(subscription)
        subscription.next_bill_at = max(now, _not_before(subscription, reason, now=now))
    subscription.parked_at, subscription.parked_reason = None, ""
    records.save(subscription, ["parked_at", "parked_reason", "next_step", "next_bill_at"])
    cycles.note(subscription, f"unparked: {reason}", by=by, now=now).save(force_insert=True)
    return subscription


def await_charge(subscription: Subscription) -> None:
    """Let a locked subscription that is put back wait for the charge of its period, where one has no outcome yet.

    It is billed already; the sweep asks for that charge, and what becomes of it says what is next.
    """
    if PaymentAttempt.objects.filter(
        state__in=[PaymentAttempt.State.CREATED, PaymentAttempt.State.SENT],
        invoice__subscription=subscription,
        invoice__status=Invoice.Status.OPEN,
        invoice__kind=Invoice.Kind.PERIOD,
    ).exists():
        subscription.next_step = rules.Step.RETRY


def _not_before(subscription: Subscription, reason: str, *, now: datetime) -> datetime:
    """Answer when what parked a subscription is over."""
    match reason:
        case "second_charge_within_20_hours" if subscription.last_charged_at is not None:
            return subscription.last_charged_at + rules.CHARGE_GAP
        case "more_than_2_invoices_a_day":
            return now + timedelta(days=1)
        case "due_before_its_boundary" | "retry_without_open_invoice" if subscription.paid_through is not None:
            return subscription.paid_through
        case _:
            return subscription.next_bill_at or now
