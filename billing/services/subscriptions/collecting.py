"""The first charge of a subscription, with the customer present."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from billing.gateway import ChargeOutcome, Gateway, OutcomeKind
from billing.models import Invoice, PaymentAttempt, Subscription
from billing.services import payments
from core.errors import DomainError


class PaymentFailed(DomainError):
    """The first charge was declined: there is no subscription, and nothing was charged."""

    code: ClassVar[str] = "payment_failed"
    title: ClassVar[str] = "The payment was declined. Nothing was charged; try another card."
    status: ClassVar[int] = 402


@dataclass(frozen=True)
class Subscribed:
    """Where the first payment stands: succeeded, requires_action (with the secret to confirm it) or unknown.

    Unknown means that the answer is on its way: the subscription becomes active, or ends, by itself.
    """

    subscription: Subscription
    payment: OutcomeKind
    client_secret: str = ""


def collect(*, invoice_id: UUID, gateway: Gateway, now: datetime) -> Subscribed:
    """Charge a subscription's invoice while the customer is there; what credit has paid needs no charge.

    Raises PaymentFailed.
    """
    attempts = PaymentAttempt.objects.filter(invoice=invoice_id)
    attempt_id = attempts.order_by("-n").values_list("pk", flat=True).first()
    if attempt_id is None:
        paid = Invoice.objects.select_related("subscription__price__plan").get(pk=invoice_id)
        return Subscribed(_subscription_of(paid), OutcomeKind.SUCCEEDED)
    outcome = payments.send([attempt_id], gateway=gateway, now=now).get(attempt_id)
    attempt = attempts.select_related("invoice__subscription__price__plan").get(pk=attempt_id)
    return answer(attempt, outcome, gateway=gateway)


def answer(attempt: PaymentAttempt, outcome: ChargeOutcome | None, *, gateway: Gateway) -> Subscribed:
    """Answer where a charge with the customer present stands. Raises PaymentFailed."""
    subscription = _subscription_of(attempt.invoice)
    match PaymentAttempt.State(attempt.state):
        case PaymentAttempt.State.SUCCEEDED:
            return Subscribed(subscription, OutcomeKind.SUCCEEDED)
        case PaymentAttempt.State.REQUIRES_ACTION:
            outcome = outcome or gateway.charge_status(attempt.gateway_id)
            return Subscribed(subscription, OutcomeKind.REQUIRES_ACTION, outcome.client_secret)
        case PaymentAttempt.State.FAILED | PaymentAttempt.State.CANCELED:
            raise PaymentFailed(decline_code=attempt.decline_code)
        case _:
            return Subscribed(subscription, OutcomeKind.UNKNOWN)


def _subscription_of(invoice: Invoice) -> Subscription:
    if invoice.subscription is None:
        raise ValueError(f"Invoice {invoice.number} is of no subscription.")
    return invoice.subscription
