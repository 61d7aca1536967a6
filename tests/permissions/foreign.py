"""Things of another account that take more than one line to make."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from accounts.models import DataExport, User
from billing.models import Gift, Invoice, Quote, Subscription
from core.clock import now
from tests.factories.billing import PriceFactory, make_due


def _subscription(account: User) -> Subscription:
    subscription = make_due(1, price=PriceFactory.create(), due_at=now() + timedelta(days=20))[0]
    Subscription.objects.filter(pk=subscription.pk).update(account=account)
    return subscription


def invoice(account: User) -> UUID:
    """Make a draft invoice."""
    return Invoice.objects.create(
        account=account,
        subscription=_subscription(account),
        kind=Invoice.Kind.CHANGE,
        currency="USD",
        total=1549,
        line_count=1,
        created_at=now(),
    ).pk


def quote(account: User) -> UUID:
    """Make a quote that can still be accepted."""
    subscription = _subscription(account)
    return Quote.objects.create(
        account=account,
        subscription=subscription,
        from_price=subscription.price,
        price=PriceFactory.create(),
        on_date=now().date(),
        currency="USD",
        total=500,
        lines=[],
        created_at=now(),
        expires_at=now() + timedelta(minutes=10),
    ).pk


def gift(account: User) -> UUID:
    """Make a gift that waits for its payment."""
    return Gift.objects.create(
        buyer=account,
        request_key=uuid4(),
        invoice_id=invoice(account),
        amount=2500,
        currency="USD",
        code_hash=uuid4().hex,
        language="en",
        deliver_at=now(),
        created_at=now(),
    ).pk


def export(account: User) -> UUID:
    """Make an export that is being collected."""
    return DataExport.objects.create(account=account, requested_at=now(), next_try_at=now()).pk
