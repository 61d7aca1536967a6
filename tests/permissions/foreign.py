"""Things of another account that take more than one line to make."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from accounts.models import DataExport, User
from billing.models import CreditNote, Gift, Invoice, NumberSeries, Quote, Refund, Subscription
from catalog.models import Keyword, ProfileBlock
from core.clock import now
from tests.factories.accounts import ProfileFactory
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


def credit_note(account: User) -> UUID:
    """Make a credit note of a refund."""
    invoice_id = invoice(account)
    refund = Refund.objects.create(
        invoice_id=invoice_id,
        amount=500,
        net=420,
        tax=80,
        currency="USD",
        reason="Goodwill",
        state=Refund.State.SUCCEEDED,
        requested_by="user:7",
        requested_at=now(),
    )
    series, _ = NumberSeries.objects.get_or_create(entity="other", code="CN", year=2020)
    return CreditNote.objects.create(
        refund=refund,
        invoice_id=invoice_id,
        series=series,
        sequence=CreditNote.objects.count() + 1,
        number=f"CN-{uuid4().hex[:8]}",
        net=420,
        tax=80,
        issued_at=now(),
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


def block(account: User) -> UUID:
    """Make a block of a keyword for a profile."""
    keyword = Keyword.objects.create(name=uuid4().hex)
    return ProfileBlock.objects.create(
        profile=ProfileFactory.create(account=account), keyword=keyword, created_at=now()
    ).pk


def export(account: User) -> UUID:
    """Make an export that is being collected."""
    return DataExport.objects.create(account=account, requested_at=now(), next_try_at=now()).pk
