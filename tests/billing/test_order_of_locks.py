"""What gives a payment back and ends its subscription locks in the order of everybody: credit before numbers, invoices before both."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.gateway import ChargeOutcome, DisputeState, FraudWarning, OutcomeKind
from billing.models import CreditGrant, CreditUse, Invoice, JournalLine, PaymentAttempt, Refund, Subscription
from billing.services import crediting, disputes, fraud, invoicing, payments, renewals
from tests.billing.instant import InstantGateway
from tests.billing.locks import first_locks, in_order
from tests.billing.threads import apart, await_waiting
from tests.factories.billing import NOW, PriceFactory, make_due

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.rule("4.20")]

LATER = NOW + timedelta(days=40)
DECLINED = ChargeOutcome(OutcomeKind.DECLINED, code="insufficient_funds")


def give(subscription: Subscription, amount: int) -> None:
    crediting.request_goodwill(
        account_id=subscription.account_id, amount=amount, currency="USD", reason="", by="staff:anna", now=NOW
    )


@pytest.fixture
def charge() -> PaymentAttempt:
    """Answer a charge whose invoice credit paid in part, of a subscription whose next invoice holds credit, unpaid."""
    (subscription,) = make_due(1, price=PriceFactory.create(), due_at=NOW)
    give(subscription, 500)
    renewals.run(gateway=InstantGateway(), clock=lambda: NOW, limit=9)
    give(subscription, 300)
    renewals.run(gateway=InstantGateway(DECLINED), clock=lambda: LATER, limit=9)
    paid, unpaid = Invoice.objects.order_by("created_at")
    assert [(each.status, each.credit_applied) for each in (paid, unpaid)] == [("paid", 500), ("open", 300)]
    return PaymentAttempt.objects.get(invoice=paid)


def warn(charge: PaymentAttempt) -> None:
    found = FraudWarning("issfr_1", charge.gateway_id, "made_with_stolen_card", actionable=True)
    assert fraud.record(found=found, now=LATER)


def lose(charge: PaymentAttempt) -> None:
    due = charge.invoice.due
    assert disputes.record(
        found=DisputeState("dp_1", charge.gateway_id, due, "USD", "fraudulent", "lost"), now=LATER
    )  # fmt: skip


@pytest.mark.parametrize("act", [warn, lose])
class TestWhatEndsASubscription:
    def test_locks_in_the_order_of_everybody(
        self, charge: PaymentAttempt, act: Callable[[PaymentAttempt], None]
    ) -> None:
        with CaptureQueriesContext(connection) as queries:
            act(charge)
        locked = first_locks(queries)
        assert locked == in_order(locked)
        assert {"billing_invoice", "billing_creditgrant"} <= set(locked)

    def test_leaves_nothing_owed_and_the_credit_back(
        self, charge: PaymentAttempt, act: Callable[[PaymentAttempt], None]
    ) -> None:
        act(charge)
        assert Subscription.objects.get().status == "canceled"
        assert list(Invoice.objects.order_by("created_at").values_list("status", flat=True)) == ["paid", "void"]
        assert CreditUse.objects.get(invoice__status="void").returned == 300
        assert CreditGrant.objects.order_by("pk").last().remaining == 300  # type: ignore[union-attr] # there are two
        receivable = JournalLine.objects.filter(account="receivable:user").values_list("amount", flat=True)
        assert sum(receivable) == 0


def test_a_warning_waits_for_credit_before_it_holds_numbers(charge: PaymentAttempt) -> None:
    """Whoever has locked the same credit goes on to number a document: neither waits for the other."""
    held = CreditGrant.objects.order_by("pk").last()
    assert held is not None
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            CreditGrant.objects.locked().get(pk=held.pk)
            warned = pool.submit(apart, partial(warn, charge))
            await_waiting(1)
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
            invoicing.reserve_numbers(1, code=invoicing.CREDIT_NOTES, now=LATER)
        warned.result(timeout=20)
    assert sorted(Refund.objects.values_list("amount", flat=True)) == [500, 1049]
    assert payments.sweep(gateway=InstantGateway(), now=LATER).abandoned == 0
