"""Attempts to charge an invoice."""

from __future__ import annotations

from datetime import datetime, timedelta

from billing import stripe_gateway
from billing.models import Invoice, PaymentAttempt, PaymentMethod
from core.ids import new_id

CALL_LEASE = timedelta(seconds=60)
"""How long a caller may take before the sweeper asks for the outcome instead; longer than one call can last."""


def new_attempt(
    invoice: Invoice, *, n: int, card: PaymentMethod, customer: str, off_session: bool, now: datetime
) -> PaymentAttempt:
    """Answer an unsaved attempt with the exact parameters and key that all its calls will carry."""
    attempt_id = new_id()
    return PaymentAttempt(
        id=attempt_id,
        invoice_id=invoice.pk,
        n=n,
        payment_method_id=card.pk,
        idempotency_key=f"att_{attempt_id}",
        params=stripe_gateway.charge_params(
            amount=invoice.due,
            currency=invoice.currency,
            customer=customer,
            payment_method=card.gateway_id,
            invoice_id=str(invoice.pk),
            attempt_id=str(attempt_id),
            off_session=off_session,
        ),
        created_at=now,
        claimed_until=now + CALL_LEASE,
    )
