"""Money that goes back: never more than came, in the books, and above a limit only with two people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from billing import stripe_gateway
from billing.gateway import DisputeState
from billing.models import CreditNote, Dispute, Invoice, JournalLine, PaymentAttempt, Refund, Subscription, WebhookEvent
from billing.services import disputes, refunds, tie_out, webhooks
from core.clock import now
from tests.billing.customers import Customer
from tests.factories.billing import PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db

ANNA, BEN = "staff:anna", "staff:ben"


def paid(standin: Standin, card: str = "4242424242424242") -> Invoice:
    customer = Customer(standin, country="DE")
    customer.save_card(card)
    bought = customer.subscribe(PriceFactory.create(amount=1399, currency="EUR", country="DE"), time_zone="UTC")
    assert bought.status_code == 201, bought.content
    return Invoice.objects.get(account=customer.account)


def give_back(invoice: Invoice, amount: int) -> Refund:
    asked = refunds.request(invoice_id=invoice.pk, amount=amount, reason="asked for", by=ANNA, now=now())
    return refunds.send(refund_id=asked.pk, gateway=stripe_gateway.connect(), now=now())


def state(invoice: Invoice, *, status: str = "needs_response") -> DisputeState:
    """Answer a dispute of a whole payment."""
    intent = PaymentAttempt.objects.get(invoice=invoice).gateway_id
    return DisputeState("dp_one", intent, invoice.due, invoice.currency, "fraudulent", status)


def balances() -> dict[str, int]:
    found: dict[str, int] = {}
    for account, amount in JournalLine.objects.values_list("account", "amount"):
        found[account] = found.get(account, 0) + amount
    return {account: amount for account, amount in found.items() if amount}


def apply_events() -> None:
    gateway = stripe_gateway.connect()
    webhooks.fill_holes(gateway=gateway, livemode=False, now=now())
    webhooks.process_due(gateway=gateway, now=now() + timedelta(seconds=1))


@pytest.mark.rule("4.12")
class TestRefund:
    def test_the_last_one_takes_the_remainder(self, standin: Standin) -> None:
        invoice = paid(standin)
        first, last = give_back(invoice, 500), give_back(invoice, 899)
        assert [(each.state, each.net, each.tax) for each in (first, last)] == [
            ("succeeded", 420, 80),
            ("succeeded", 756, 143),
        ]
        assert list(CreditNote.objects.order_by("pk").values_list("number", "net")) == [
            (f"CN-{now().year}-0000001", 420),
            (f"CN-{now().year}-0000002", 756),
        ]
        assert balances() == {}

    @pytest.mark.rule("4.23")
    def test_is_never_more_than_was_paid(self, standin: Standin) -> None:
        invoice = paid(standin)
        give_back(invoice, 500)
        with pytest.raises(refunds.NotRefundable) as refusal:
            give_back(invoice, 900)
        assert refusal.value.code == "not_refundable"
        assert Refund.objects.count() == 1

    def test_is_sent_once_although_the_reply_was_lost(self, standin: Standin) -> None:
        invoice = paid(standin)
        standin.control.fault("lost_reply", path="/v1/refunds")
        assert give_back(invoice, 500).state == "approved"
        assert refunds.sweep(gateway=stripe_gateway.connect(), now=now() + timedelta(hours=30)) == 1
        assert (Refund.objects.get().state, CreditNote.objects.count()) == ("succeeded", 1)
        # 1399 less its fee of 71, less what was given back once.
        assert standin.control.net() == {"eur": 1399 - 71 - 500}

    def test_that_fails_later_can_be_made_again(self, standin: Standin) -> None:
        invoice = paid(standin, "4000000000005126")
        refund = give_back(invoice, 500)
        assert refund.state in {"pending", "failed"}
        # The bank has had its time.
        standin.control.wait_for_webhooks()
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        refund.refresh_from_db()
        assert refund.state == "failed"
        assert balances()["cash:stripe_clearing"] == 1399
        assert refunds.request(invoice_id=invoice.pk, amount=1399, reason="", by=ANNA, now=now()).net == 1176

    def test_that_comes_back_is_asked_for_until_it_is_read(self, standin: Standin) -> None:
        refund = give_back(paid(standin), 500)
        event = {"id": "evt_1", "type": "refund.failed", "data": {"object": {"id": refund.gateway_id}}}
        webhooks.receive(event=event, livemode=False, now=now())
        standin.control.fault("error_before", method="GET", path="/v1/refunds/.*")
        webhooks.process(event_id="evt_1", gateway=stripe_gateway.connect(), now=now())
        assert WebhookEvent.objects.get(event_id="evt_1").status == "parked"

    def test_leaves_the_books_equal_to_the_gateways(self, standin: Standin) -> None:
        give_back(paid(standin), 500)
        (report,) = tie_out.compare(
            day=datetime.now(UTC).date(), gateway=stripe_gateway.connect(), now=now() + timedelta(days=1)
        )
        assert (report.difference, report.details) == (0, [])

    @pytest.mark.story("refund rewinds the period's dates")
    def test_does_not_move_the_period(self, standin: Standin) -> None:
        invoice = paid(standin)
        before = Subscription.objects.values("paid_through", "next_bill_at", "status").get()
        give_back(invoice, 1399)
        assert Subscription.objects.values("paid_through", "next_bill_at", "status").get() == before


@pytest.mark.rule("4.12")
class TestFourEyes:
    def test_hold_back_a_large_refund(self, standin: Standin, settings: Settings) -> None:
        settings.REFUND_APPROVAL_LIMIT = 499
        invoice = paid(standin)
        refund = give_back(invoice, 500)
        assert refund.state == "requested"
        with pytest.raises(refunds.SecondPersonRequired):
            refunds.approve(refund_id=refund.pk, by=ANNA)
        refunds.approve(refund_id=refund.pk, by=BEN)
        assert refunds.sweep(gateway=stripe_gateway.connect(), now=now()) == 1
        refund.refresh_from_db()
        assert (refund.state, refund.approved_by) == ("succeeded", BEN)
        with pytest.raises(refunds.NotWaiting):
            refunds.refuse(refund_id=refund.pk, by=BEN, now=now())

    def test_are_the_databases_rule_too(self, standin: Standin) -> None:
        refund = give_back(paid(standin), 500)
        with pytest.raises(IntegrityError, match="refund_approved_by_another"), transaction.atomic():
            Refund.objects.filter(pk=refund.pk).update(approved_by=ANNA)


@pytest.mark.rule("4.13")
class TestDispute:
    @pytest.mark.story("refund during a dispute counted twice")
    def test_withholds_parks_and_blocks_refunds(self, standin: Standin) -> None:
        invoice = paid(standin)
        standin.control.dispute(standin.control.charges()[0]["id"])
        apply_events()
        assert Dispute.objects.get().status == "needs_response"
        assert balances()["dispute_hold"] == 1399
        assert Subscription.objects.get().parked_reason == "dispute_open"
        with pytest.raises(refunds.NotRefundable):
            give_back(invoice, 1)

    @pytest.mark.parametrize(
        ("won", "status", "parked", "left"),
        [
            (True, "active", "", {"cash:stripe_clearing": 1399, "deferred_revenue": -1176, "tax_payable": -223}),
            (False, "canceled", "", {}),
        ],
    )
    def test_ends_as_it_is_decided(
        self, standin: Standin, *, won: bool, status: str, parked: str, left: dict[str, int]
    ) -> None:
        paid(standin)
        dispute = standin.control.dispute(standin.control.charges()[0]["id"])
        apply_events()
        standin.control.decide(dispute["id"], won=won)
        apply_events()
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.parked_reason) == (status, parked)
        assert balances() == left

    def test_that_asks_only_moves_nothing(self, standin: Standin) -> None:
        paid(standin)
        standin.control.dispute(standin.control.charges()[0]["id"], "inquiry")
        apply_events()
        assert Dispute.objects.get().status == "warning_needs_response"
        assert Subscription.objects.get().parked_at is None
        assert "dispute_hold" not in balances()

    def test_that_is_lost_takes_no_more_than_was_not_given_back(self, standin: Standin) -> None:
        give_back(paid(standin), 500)
        dispute = standin.control.dispute(standin.control.charges()[0]["id"])
        apply_events()
        assert balances()["dispute_hold"] == 899
        standin.control.decide(dispute["id"], won=False)
        apply_events()
        lost = JournalLine.objects.filter(entry__source_key__startswith="dispute:lost")
        assert dict(lost.values_list("account", "amount")) == {
            "deferred_revenue": 756,
            "tax_payable": 143,
            "dispute_hold": -899,
        }
        assert balances() == {}

    def test_that_began_with_a_question_withholds_once_it_is_one(self, standin: Standin) -> None:
        invoice = paid(standin)
        asked = state(invoice, status="warning_needs_response")
        for status in ("warning_needs_response", "warning_under_review"):
            disputes.record(found=replace(asked, status=status), now=now())
        assert "dispute_hold" not in balances()
        for _ in range(2):
            disputes.record(found=replace(asked, status="needs_response"), now=now())
        assert balances()["dispute_hold"] == 1399
        assert Subscription.objects.get().parked_reason == "dispute_open"
        disputes.record(found=replace(asked, status="lost"), now=now())
        assert balances() == {}
        assert Subscription.objects.get().status == "canceled"

    def test_that_is_won_leaves_parked_what_another_one_holds(self, standin: Standin) -> None:
        invoice = paid(standin)
        one, two = (replace(state(invoice), id=name, amount=600) for name in ("dp_one", "dp_two"))
        for found in (one, two):
            disputes.record(found=found, now=now())
        disputes.record(found=replace(one, status="won"), now=now())
        assert Subscription.objects.get().parked_reason == "dispute_open"
        disputes.record(found=replace(two, status="won"), now=now())
        assert Subscription.objects.get().parked_reason == ""

    def test_that_is_lost_after_all_was_given_back_is_lost_to_us(self, standin: Standin) -> None:
        invoice = paid(standin)
        found = state(invoice)
        give_back(invoice, 1399)
        for status in ("needs_response", "lost"):
            disputes.record(found=replace(found, status=status), now=now())
        assert balances() == {"bad_debt": 1399, "cash:stripe_clearing": -1399}

    def test_of_a_partly_refunded_payment_takes_the_rest(self, standin: Standin) -> None:
        give_back(paid(standin), 500)
        standin.control.dispute(standin.control.charges()[0]["id"])
        apply_events()
        assert Dispute.objects.get().amount == 899


@pytest.mark.rule("4.17")
@pytest.mark.story("missed webhook locks a payer out")
class TestHoles:
    def test_are_filled_by_the_poll(self, standin: Standin) -> None:
        standin.control.fault("lost_reply", path="/v1/payment_intents")
        customer = Customer(standin)
        customer.save_card()
        customer.subscribe(PriceFactory.create())
        assert PaymentAttempt.objects.get().state == "sent"
        apply_events()
        assert PaymentAttempt.objects.get().state == "succeeded"
        stored = WebhookEvent.objects.count()
        assert webhooks.fill_holes(gateway=stripe_gateway.connect(), livemode=False, now=now()) == 0
        assert WebhookEvent.objects.count() == stored
