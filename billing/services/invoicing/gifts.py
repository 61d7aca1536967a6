"""The invoice of a gift."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from billing.models import Invoice, InvoiceLine, PaymentMethod
from billing.services import ledger
from billing.services.invoicing.attempts import new_attempt
from billing.services.invoicing.numbers import number_of, reserve_numbers


def bill_gift(
    *, account_id: UUID, gift_id: UUID, amount: int, currency: str, card: PaymentMethod, customer: str, now: datetime
) -> Invoice:
    """Write the invoice of a gift with its attempt. It bears no tax: what it pays for is taxed when it does."""
    series, sequence = reserve_numbers(1, now=now)
    invoice = Invoice.objects.create(
        account_id=account_id,
        kind=Invoice.Kind.ONE_OFF,
        status=Invoice.Status.OPEN,
        currency=currency,
        total=amount,
        line_count=1,
        series=series,
        sequence=sequence,
        number=number_of(series, sequence),
        created_at=now,
        finalised_at=now,
    )
    InvoiceLine.objects.create(
        invoice=invoice,
        position=1,
        kind=InvoiceLine.Kind.GIFT,
        description="Gift",
        amount=amount,
        derivation={"rule": "gift", "gift": str(gift_id), "amount": amount},
    )
    ledger.book_invoices([invoice.pk], now=now)
    new_attempt(invoice, n=1, card=card, customer=customer, off_session=False, now=now).save(force_insert=True)
    return invoice
