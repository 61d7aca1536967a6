"""Where the money of a dispute is: whatever course it takes, in whatever order we hear of it, the books say the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from billing import stripe_gateway
from billing.gateway import ChargeOutcome, DisputeState, FraudWarning, OutcomeKind, RefundKind, RefundOutcome
from billing.models import Dispute, Invoice, PaymentAttempt, Refund, Subscription
from billing.models import FraudWarning as Warned
from billing.services import disputes, fraud, parking, refunds, renewals, settlement
from core.clock import now
from tests.billing.instant import InstantGateway
from tests.billing.test_refunds import ANNA, balances, give_back, paid
from tests.standin import Standin

pytestmark = [pytest.mark.django_db, pytest.mark.rule("4.13")]

PAID = {"cash:stripe_clearing": 1399, "deferred_revenue": -1176, "tax_payable": -223}
WITHHELD = {"dispute_hold": 1399, "deferred_revenue": -1176, "tax_payable": -223}


def told(*statuses: str, amount: int = 1399, name: str = "dp_1", currency: str = "EUR") -> Dispute:
    """Hear of the first payment's dispute, once for each status."""
    charged = PaymentAttempt.objects.filter(state="succeeded").order_by("pk")[0].gateway_id
    for status in statuses:
        found = DisputeState(name, charged, amount, currency, "fraudulent", status)
        assert disputes.record(found=found, now=now())
    return Dispute.objects.get(gateway_id=name)


def parked() -> str:
    return Subscription.objects.get().parked_reason


def locks(queries: CaptureQueriesContext) -> list[str]:
    """Answer the tables of which rows were locked, in order."""
    found = [each["sql"] for each in queries if "FOR UPDATE OF" in each["sql"]]
    return [sql.split("FOR UPDATE OF")[1].split('"')[1] for sql in found]


class TestCourse:
    @pytest.fixture(autouse=True)
    def payment(self, standin: Standin) -> Invoice:
        return paid(standin)

    def test_from_an_inquiry_withholds_when_it_becomes_one(self) -> None:
        told("warning_needs_response", "warning_under_review")
        assert (balances(), parked()) == (PAID, "")
        told("needs_response")
        assert (balances(), parked()) == (WITHHELD, "dispute_open")
        assert told("lost").closed_at is not None
        assert balances() == {}
        assert Subscription.objects.get().status == "canceled"

    def test_takes_the_amount_that_is_withheld(self) -> None:
        told("warning_needs_response")
        assert told("needs_response", amount=1000).amount == 1000
        assert balances()["dispute_hold"] == 1000

    def test_won_after_it_was_lost_brings_the_money_back(self) -> None:
        told("needs_response", "lost", "appeal_under_review")
        assert (balances(), Dispute.objects.get().closed_at) == ({}, None)
        won = told("won", "won")
        # Nothing is owed for it any more: the service has ended.
        assert balances() == {"cash:stripe_clearing": 1399, "refunds": -1176, "tax_payable": -223}
        assert (won.status, won.closed_at is not None) == ("won", True)

    @pytest.mark.parametrize("late", ["needs_response", "under_review", "lost", "warning_needs_response"])
    def test_won_is_not_taken_back_by_what_was_read_before(self, late: str) -> None:
        told("needs_response", "won", late)
        assert (Dispute.objects.get().status, balances(), parked()) == ("won", PAID, "")

    def test_lost_is_not_opened_again_by_what_was_read_before(self) -> None:
        assert told("needs_response", "lost", "under_review").status == "lost"
        assert balances() == {}

    def test_of_an_inquiry_that_is_closed_stays_closed(self) -> None:
        assert told("warning_closed", "warning_needs_response").closed_at is not None

    def test_prevented_by_the_bank_is_money_lost(self) -> None:
        assert told("prevented").closed_at is not None
        assert (balances(), Subscription.objects.get().status) == ({}, "canceled")

    def test_of_parts_take_exactly_the_whole(self) -> None:
        # Each alone has 392, 392 and 393 without tax: one too much.
        for name, amount in (("dp_1", 466), ("dp_2", 466), ("dp_3", 467)):
            told("needs_response", "lost", amount=amount, name=name)
        assert balances() == {}

    def test_of_two_parts_keeps_parked_until_both_are_decided(self) -> None:
        told("needs_response", amount=500)
        told("needs_response", amount=899, name="dp_2")
        told("won", amount=500)
        assert parked() == "dispute_open"
        told("won", amount=899, name="dp_2")
        assert (parked(), balances()) == ("", PAID)

    def test_of_more_than_is_left_is_a_loss_of_ours(self, payment: Invoice) -> None:
        give_back(payment, 500)
        told("needs_response", "lost")
        assert balances() == {"cash:stripe_clearing": -500, "bad_debt": 500}

    def test_in_another_currency_is_a_loss_in_that(self) -> None:
        told("needs_response", "lost", currency="USD", amount=1500)
        assert balances() == PAID | {"cash:stripe_clearing": -101, "bad_debt": 1500}

    def test_refuses_refunds_that_wait_for_a_second_person(self, payment: Invoice, settings: Settings) -> None:
        settings.REFUND_APPROVAL_LIMIT = 499
        asked = give_back(payment, 500)
        told("needs_response")
        asked.refresh_from_db()
        assert (asked.state, asked.failure) == ("refused", "in dispute")
        with pytest.raises(refunds.NotWaiting):
            refunds.approve(refund_id=asked.pk, by="staff:ben")
        told("lost")
        assert balances() == {}

    def test_refuses_what_was_to_return_to_credit_too(self, payment: Invoice, settings: Settings) -> None:
        owed = refunds.request_owed_again(invoice_id=payment.pk, amount=500, reason="", by=ANNA, now=now())
        refunds.send(refund_id=owed.pk, gateway=stripe_gateway.connect(), now=now())
        settings.REFUND_APPROVAL_LIMIT = 499
        give_back(payment, 1399)
        told("needs_response")
        assert list(Refund.objects.order_by("pk").values_list("state", flat=True)) == ["succeeded", *["refused"] * 2]

    def test_heard_of_once_it_is_lost_takes_what_a_refund_waited_for(
        self, payment: Invoice, settings: Settings
    ) -> None:
        settings.REFUND_APPROVAL_LIMIT = 499
        asked = give_back(payment, 500)
        told("lost")
        asked.refresh_from_db()
        assert (asked.state, balances()) == ("refused", {})

    def test_that_is_lost_ends_what_is_owed_for_the_next_period(self) -> None:
        due = Subscription.objects.get().next_bill_at
        assert due is not None
        declined = InstantGateway(ChargeOutcome(OutcomeKind.DECLINED, "pi_1", "insufficient_funds"))
        renewals.run(gateway=declined, clock=lambda: due + timedelta(minutes=1), limit=9)
        assert balances()["receivable:user"] == 1399
        told("needs_response", "lost")
        assert list(Invoice.objects.order_by("pk").values_list("status", flat=True)) == ["paid", "void"]
        assert (balances(), Subscription.objects.get().status) == ({}, "canceled")

    def test_is_not_paid_by_who_puts_it_back_for_another_reason(self) -> None:
        Subscription.objects.update(parked_at=now(), parked_reason="amount_above_3x_list_price")
        told("needs_response")
        subscription = Subscription.objects.get()
        with pytest.raises(parking.WaitsForTheBank):
            parking.put_back(subscription_id=subscription.pk, now=now(), by=ANNA)
        assert parked() == "amount_above_3x_list_price"
        told("won")
        parking.put_back(subscription_id=subscription.pk, now=now(), by=ANNA)
        assert parked() == ""

    def test_locks_in_the_order_of_everybody(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            told("needs_response")
        assert locks(queries)[:5] == [
            "billing_subscription",
            "billing_invoice",
            "billing_paymentattempt",
            "billing_refund",
            "billing_dispute",
        ]


class TestOverpaid:
    """A charge for an invoice that nobody owed any more: it became credit."""

    @pytest.fixture(autouse=True)
    def payment(self, standin: Standin) -> PaymentAttempt:
        standin.control.fault("lost_reply", path="/v1/payment_intents")
        invoice = paid(standin)
        Invoice.objects.filter(pk=invoice.pk).update(status="void")
        attempt = PaymentAttempt.objects.get()
        charged = standin.control.charges()[0]["payment_intent"]
        settlement.settle({attempt.pk: ChargeOutcome(OutcomeKind.SUCCEEDED, charged)}, now=now())
        return attempt

    def test_and_warned_of_is_given_back_from_the_credit(self, payment: PaymentAttempt) -> None:
        payment.refresh_from_db()
        fraud.record(found=FraudWarning("w_1", payment.gateway_id, "misc", actionable=True), now=now())
        assert Warned.objects.get().action == "refunded"
        assert Refund.objects.get().amount == 1399

    def test_and_lost_takes_the_credit_and_won_gives_it_back(self, payment: PaymentAttempt) -> None:
        credit = payment.invoice.account.credit_grants.get(source_key=f"overpaid:{payment.pk}")
        before = balances()
        told("needs_response", "lost")
        credit.refresh_from_db()
        assert credit.remaining == 0
        told("won")
        credit.refresh_from_db()
        assert (credit.remaining, balances()) == (1399, before)


@pytest.mark.rule("4.12")
class TestRefund:
    def test_that_succeeded_may_come_back_later(self, standin: Standin) -> None:
        invoice = paid(standin)
        refund = give_back(invoice, 500)
        assert (refund.state, balances()["cash:stripe_clearing"]) == ("succeeded", 899)
        for _ in range(2):
            returned = RefundOutcome(RefundKind.FAILED, refund.gateway_id, "expired_or_canceled_card")
            refund = refunds.settle(refund_id=refund.pk, outcome=returned, now=now())
        assert (refund.state, refund.failure) == ("failed", "expired_or_canceled_card")
        assert balances()["cash:stripe_clearing"] == 1399
        assert refunds.request(invoice_id=invoice.pk, amount=1399, reason="", by=ANNA, now=now()).amount == 1399

    def test_is_settled_under_the_lock_of_its_invoice(self, standin: Standin) -> None:
        asked = refunds.request(invoice_id=paid(standin).pk, amount=500, reason="", by=ANNA, now=now())
        with CaptureQueriesContext(connection) as queries:
            refunds.settle(refund_id=asked.pk, outcome=RefundOutcome(RefundKind.SUCCEEDED, "re_1"), now=now())
        assert locks(queries)[:2] == ["billing_invoice", "billing_refund"]
