"""Leaving, with money in it: nothing more is charged, the law keeps its invoices, and the rest goes."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection

from accounts import holdings
from accounts.models import AccountDeletion, AuditEntry, ErasureStep, OutgoingEmail, User
from accounts.services import accounts, deletions, mails
from accounts.services.audit import NOWHERE
from billing import stripe_gateway
from billing.gateway import GatewayRefused, RefundKind, RefundOutcome
from billing.models import Dispute, Invoice, PaymentAttempt, PaymentCustomer, PaymentMethod, Refund, Subscription
from billing.services import refunds, renewals, subscriptions
from core import outbox
from core.clock import now
from core.models import OutboxEvent
from tests.accounts.conftest import App
from tests.billing.customers import Customer
from tests.factories.accounts import ProfileFactory, StaffFactory
from tests.factories.billing import PriceFactory
from tests.standin import Standin

GRACE = timedelta(days=14)
pytestmark = pytest.mark.django_db(transaction=True)


def subscriber(standin: Standin, *, interval: str = "month") -> Customer:
    """A household that has left a trace in every app."""
    customer = Customer(standin, country="US", language="de")
    customer.save_card()
    bought = customer.subscribe(PriceFactory.create(interval=interval))
    assert bought.status_code == 201, bought.content
    ProfileFactory.create_batch(2, account=customer.account)
    accounts.suspend(account_id=customer.account.pk, reason="a test", by=StaffFactory.create(), now=now())
    accounts.unsuspend(account_id=customer.account.pk, reason="a slip", by=StaffFactory.create(), now=now())
    App().auth("auth/code/request", email=customer.account.email)
    customer.sign_in()
    return customer


def request(customer: Customer, *, at: datetime | None = None) -> AccountDeletion:
    asked = deletions.request(account_id=customer.account.pk, by=customer.account, now=at or now(), origin=NOWHERE)
    outbox.relay(clock=now)
    return asked


def trace() -> dict[str, Any]:
    """What an erasure leaves behind, without what differs each time."""
    steps = ErasureStep.objects.order_by("pk").values_list("contributor", "rows")
    account = User.objects.get(is_staff=False)
    return {
        "steps": [(name, dict(rows)) for name, rows in steps],
        "account": (account.email == f"{account.pk}@erased.invalid", account.is_active, account.country),
        "invoices": list(Invoice.objects.values_list("status", "total")),
        "events": OutboxEvent.objects.filter(type="accounts.AccountErased").count(),
        "farewells": list(OutgoingEmail.objects.filter(template__endswith="account_erased").values_list("language")),
    }


class TestRequest:
    def test_cancels_the_subscription_with_no_further_charge(self, standin: Standin) -> None:
        customer = subscriber(standin)
        request(customer)
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.cancel_at) == ("active", subscription.paid_through)
        due = subscription.paid_through
        assert due is not None
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: due + timedelta(days=40), limit=10)
        assert len(standin.control.charges()) == 1

    def test_taken_back_lets_the_subscription_go_on(self, standin: Standin) -> None:
        customer = subscriber(standin)
        before = Subscription.objects.values_list("status", "cancel_at", "next_bill_at").get()
        request(customer)
        deletions.cancel(account_id=customer.account.pk, by=customer.account, now=now(), origin=NOWHERE)
        outbox.relay(clock=now)
        assert Subscription.objects.values_list("status", "cancel_at", "next_bill_at").get() == before

    def test_taken_back_leaves_cancelled_what_its_owner_had_cancelled(self, standin: Standin) -> None:
        customer = subscriber(standin)
        subscriptions.cancel(
            account_id=customer.account.pk, gateway=stripe_gateway.connect(), now=now(), by="account:x"
        )
        request(customer)
        deletions.cancel(account_id=customer.account.pk, by=customer.account, now=now(), origin=NOWHERE)
        outbox.relay(clock=now)
        assert Subscription.objects.get().cancel_at is not None


class TestErasure:
    def test_shows_the_database_before_and_after(self, standin: Standin) -> None:
        customer = subscriber(standin, interval="year")
        asked = request(customer)
        somebody = holdings.person(customer.account.pk)
        before = {each.model: each.rows for each in holdings.about(somebody)}
        customer_at_stripe = PaymentCustomer.objects.get().gateway_id
        address = customer.account.email
        assert deletions.carry_out(deletion_id=asked.pk, now=asked.erase_at)
        farewell = OutgoingEmail.objects.get(address=address)
        assert mails.deliver(mail_id=farewell.pk, now=asked.erase_at)

        left = {each.model: (each.rows, each.fate) for each in holdings.about(somebody)}
        gone = {model: rows for model, rows in before.items() if model not in left}
        assert gone == {
            "account.EmailAddress": 1,
            "accounts.Device": 3,
            "accounts.OutgoingEmail": 3,
            "accounts.Profile": 2,
            "billing.CardSetup": 1,
            "billing.PaymentCustomer": 1,
            "core.IdempotencyKey": 2,
            "usersessions.UserSession": 1,
        }
        # What is left is fiscal, evidence, or a row without a person.
        assert {model for model, (_, fate) in left.items() if not fate} == {
            "accounts.User",
            "billing.Cancellation",
            "billing.PaymentMethod",
        }
        card = PaymentMethod.objects.get()
        assert (card.last4, card.brand, card.fingerprint, card.is_default) == ("", "", "", False)
        assert Invoice.objects.get().total > 0
        assert Subscription.objects.get().status == "canceled"
        assert standin.control.charges()[0]["amount"] > 0
        assert customer_at_stripe not in [row.gateway_id for row in PaymentCustomer.objects.all()]
        assert address not in str(list(OutgoingEmail.objects.values()))
        assert trace()["account"] == (True, False, "")
        assert [name for name, _ in trace()["steps"]] == ["billing", "catalog", "accounts", "core"]
        assert not AuditEntry.objects.filter(account=customer.account).exclude(address=None, detail={}).exists()

        report = StringIO()
        call_command("holdings", str(customer.account.pk), stdout=report)
        assert "kept: Tax law has invoices" in report.getvalue()
        assert "by billing" in report.getvalue()
        print(f"\nbefore: {before}\nafter: {left}\n{report.getvalue()}")  # noqa: T201 - for whoever runs it with -s

    def test_deletes_the_customer_at_the_gateway(self, standin: Standin) -> None:
        customer = subscriber(standin)
        known = PaymentCustomer.objects.get().gateway_id
        asked = request(customer)
        standin.control.fault("lost_reply", method="DELETE", path=f"/v1/customers/{known}")
        assert not deletions.carry_out(deletion_id=asked.pk, now=asked.erase_at)
        asked.refresh_from_db()
        assert asked.waits_for == "payment_service_unavailable"
        assert PaymentCustomer.objects.count() == 1
        assert deletions.carry_out(deletion_id=asked.pk, now=asked.erase_at + timedelta(hours=1))
        assert PaymentCustomer.objects.count() == 0
        with pytest.raises(GatewayRefused, match="resource_missing"):
            stripe_gateway.connect().create_setup_intent(customer=known, metadata={}, idempotency_key="k")

    def test_does_nothing_before_its_time_or_when_taken_back(self, standin: Standin) -> None:
        customer = subscriber(standin)
        asked = request(customer)
        assert not deletions.carry_out(deletion_id=asked.pk, now=asked.erase_at - timedelta(seconds=1))
        deletions.cancel(account_id=customer.account.pk, by=customer.account, now=now(), origin=NOWHERE)
        assert not deletions.carry_out(deletion_id=asked.pk, now=asked.erase_at)
        assert User.objects.get(pk=customer.account.pk).is_active
        assert not ErasureStep.objects.exists()

    def test_waits_for_an_answer_to_a_refund_that_failed(self, standin: Standin) -> None:
        """Erased, nobody could be asked any more where their money shall go."""
        customer = subscriber(standin)
        asked = request(customer)
        refund = refunds.request(
            invoice_id=Invoice.objects.get().pk, amount=400, reason="", by="staff:1", now=asked.erase_at
        )
        refunds.settle(
            refund_id=refund.pk, outcome=RefundOutcome(RefundKind.FAILED, "re_1", "expired"), now=asked.erase_at
        )
        before = holdings.about(holdings.person(customer.account.pk))
        assert not deletions.carry_out(deletion_id=asked.pk, now=asked.erase_at)
        asked.refresh_from_db()
        assert (asked.waits_for, asked.started_at) == ("refund_unanswered", None)
        assert holdings.about(holdings.person(customer.account.pk)) == before
        refunds.answer(
            refund_id=refund.pk, how=Refund.Answer.PAID_OTHERWISE, reason="by transfer", by="staff:2", now=now()
        )
        assert deletions.carry_out(deletion_id=asked.pk, now=asked.next_try_at)

    @pytest.mark.parametrize("what", ["charge", "refund", "dispute"])
    def test_waits_for_money_on_its_way_and_leaves_the_account_whole(self, standin: Standin, what: str) -> None:
        customer = subscriber(standin)
        asked = request(customer)
        if what == "charge":
            PaymentAttempt.objects.update(state="sent", settled_at=None)
        elif what == "refund":
            refunds.request(invoice_id=Invoice.objects.get().pk, amount=100, reason="x", by="staff:anna", now=now())
        else:
            Dispute.objects.create(
                gateway_id="dp_1", attempt=PaymentAttempt.objects.get(), amount=1, currency="USD", reason="fraudulent",
                status="needs_response", opened_at=now(),
            )  # fmt: skip
        assert not deletions.carry_out(deletion_id=asked.pk, now=asked.erase_at)
        asked.refresh_from_db()
        assert (asked.waits_for, asked.started_at) == ("money_on_its_way", None)
        assert asked.next_try_at == asked.erase_at + timedelta(hours=1)
        assert User.objects.get(pk=customer.account.pk).is_active
        assert customer.get("account").status_code == 200
        assert PaymentMethod.objects.get().last4 == "4242"

        PaymentAttempt.objects.update(state="succeeded", settled_at=now())
        Dispute.objects.update(closed_at=now())
        Invoice.objects.get().refunds.update(state="refused")
        assert deletions.carry_out(deletion_id=asked.pk, now=asked.next_try_at)


KILLS = {
    # where a worker dies -> the statement that does not come to pass
    "before anything": "UPDATE ON accounts_accountdeletion",
    "ending the subscription": "UPDATE ON billing_subscription",
    "after the customer went at the gateway": "DELETE ON billing_paymentcustomer",
    "stripping cards": "UPDATE ON billing_paymentmethod",
    "recording the step": "UPDATE ON accounts_erasurestep",
    "removing profiles": "DELETE ON accounts_profile",
    "taking out the name": "UPDATE ON accounts_user",
    "forgetting keys": "DELETE ON core_idempotencykey",
    "telling the others": "INSERT ON core_outboxevent",
}


class TestKilledErasure:
    @pytest.mark.parametrize("where", KILLS)
    def test_goes_on_where_it_was_and_counts_each_row_once(self, standin: Standin, where: str) -> None:
        customer = subscriber(standin)
        asked = request(customer)
        action, _, table = KILLS[where].partition(" ON ")
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'killed'; END $$;"
                f"CREATE TRIGGER die BEFORE {action} ON {table} EXECUTE FUNCTION die()"
            )
        try:
            with pytest.raises(DatabaseError, match="killed"):
                deletions.carry_out(deletion_id=asked.pk, now=asked.erase_at)
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"DROP TRIGGER die ON {table}; DROP FUNCTION die()")
        later = asked.erase_at + (timedelta(0) if where == "before anything" else deletions.LEASE)
        assert deletions.carry_out(deletion_id=asked.pk, now=later)
        assert not deletions.carry_out(deletion_id=asked.pk, now=later + deletions.LEASE)
        assert trace() == {
            "steps": [
                ("billing", {"billing.PaymentMethod": 1, "billing.CardSetup": 1, "billing.PaymentCustomer": 1}),
                ("catalog", {}),
                (
                    "accounts",
                    {
                        "accounts.User": 1, "accounts.Profile": 2, "accounts.Device": 3, "account.EmailAddress": 1,
                        "accounts.OutgoingEmail": 3, "accounts.AuditEntry": 2,
                    },
                ),
                ("core", {"core.IdempotencyKey": 2}),
            ],
            "account": (True, False, ""),
            "invoices": [("paid", 1549)],
            "events": 1,
            "farewells": [("de",)],
        }  # fmt: skip
