"""Refund and owe: money goes back to a card, the invoice stays as it is, and the next one charges it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import translation
from pytest_django import Settings

from accounts.models import OutgoingEmail
from accounts.services import mails
from billing import stripe_gateway
from billing.gateway import RefundKind, RefundOutcome
from billing.models import CreditGrant, CreditNote, CreditUse, Invoice, Refund, Subscription
from billing.selectors import documents, explanations
from billing.services import refunds, renewals, tie_out, withdrawals
from billing.services.subscriptions import PaymentUnderWay
from core.clock import now
from tests.billing.instant import InstantGateway
from tests.billing.test_admin_credit import act, staff
from tests.billing.test_refunds import ANNA, balances, give_back, paid
from tests.standin import Standin

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("tax_rates", "consumer_law"),
    pytest.mark.rule("4.12"),
]

PAID = {"cash:stripe_clearing": 1399, "deferred_revenue": -1176, "tax_payable": -223}
OWED = {"cash:stripe_clearing": 899, "customer_credit": 500, "deferred_revenue": -1176, "tax_payable": -223}


def owe(invoice: Invoice, amount: int = 500) -> Refund:
    asked = refunds.request_owed_again(invoice_id=invoice.pk, amount=amount, reason="wrong card", by=ANNA, now=now())
    return refunds.send(refund_id=asked.pk, gateway=stripe_gateway.connect(), now=now())


def renew() -> Invoice:
    due = Subscription.objects.get().next_bill_at
    assert due is not None
    renewals.run(gateway=InstantGateway(), clock=lambda: due + timedelta(minutes=1), limit=9)
    return Invoice.objects.order_by("-pk")[0]


@pytest.fixture
def invoice(standin: Standin) -> Invoice:
    return paid(standin)


class TestOwedAgain:
    def test_corrects_no_document_and_is_a_debt_in_the_books(self, invoice: Invoice) -> None:
        refund = owe(invoice)
        assert (refund.state, refund.net, refund.tax, refund.owed_again) == ("succeeded", 500, 0, True)
        assert not CreditNote.objects.exists()
        assert balances() == OWED
        debt = CreditGrant.objects.get()
        assert (debt.kind, debt.amount, debt.remaining) == ("owed", -500, -500)
        invoice.refresh_from_db()
        assert (invoice.status, invoice.total, invoice.credit_applied) == ("paid", 1399, 0)
        (report,) = tie_out.compare(
            day=datetime.now(UTC).date(), gateway=stripe_gateway.connect(), now=now() + timedelta(days=1)
        )
        assert (report.difference, report.details) == (0, [])

    def test_is_charged_with_the_next_invoice(self, invoice: Invoice) -> None:
        owe(invoice)
        following = renew()
        assert (following.status, following.total, following.credit_applied, following.due) == (
            "paid",
            1399,
            -500,
            1899,
        )
        assert CreditGrant.objects.get().remaining == 0
        assert balances() == {
            "cash:stripe_clearing": 2 * 1399,
            "deferred_revenue": -2 * 1176,
            "tax_payable": -2 * 223,
        }

    def test_is_told_by_mail_and_explained_on_both_invoices(self, invoice: Invoice) -> None:
        owe(invoice)
        letter = mails.render(OutgoingEmail.objects.get(template="billing/email/refunded_owed_again"))
        assert "We give €5.00 of invoice" in letter.body
        following = renew()
        texts = [
            [reason.text for reason in explanations.explain(each).history if reason.code == "credit"]
            for each in documents.with_contents(Invoice.objects.filter(pk__in=[invoice.pk, following.pk])).order_by(
                "pk"
            )
        ]
        assert texts == [
            ["€5.00 was given back to the card and is owed again: the next invoice charges it."],
            ["€5.00 of an earlier invoice, which was given back to the card, is charged with it."],
        ]
        shown = documents.of_invoice(documents.with_contents(Invoice.objects.filter(pk=invoice.pk)).get())
        assert [fact.value for fact in shown.tender] == ["€13.99", "-€5.00"]
        with translation.override("de"):
            shown = documents.of_invoice(documents.with_contents(Invoice.objects.filter(pk=invoice.pk)).get())
        assert shown.tender[-1].label == "Zurückgezahlt, wird mit der nächsten Rechnung erneut berechnet"

    def test_is_never_more_than_the_card_paid(self, invoice: Invoice) -> None:
        owe(invoice)
        with pytest.raises(refunds.NotRefundable):
            owe(invoice, 900)
        with pytest.raises(refunds.NotRefundable):
            owe(invoice, 0)
        assert Refund.objects.count() == 1
        owe(invoice, 899)
        assert balances()["customer_credit"] == 1399

    def test_given_back_in_full_too_first_forgives_the_debt(self, invoice: Invoice) -> None:
        owe(invoice)
        give_back(invoice, 1399)
        assert balances() == {}
        assert CreditGrant.objects.get().remaining == 0
        assert sorted(CreditNote.objects.values_list("net", "tax")) == [(420, 80), (756, 143)]

    def test_collected_and_then_given_back_becomes_credit(self, invoice: Invoice) -> None:
        owe(invoice)
        renew()
        give_back(invoice, 1399)
        assert CreditGrant.objects.get().remaining == 500
        assert balances()["customer_credit"] == -500

    def test_does_not_stand_in_the_way_of_a_withdrawal(self, invoice: Invoice) -> None:
        owe(invoice)
        withdrawn = withdrawals.withdraw(account_id=invoice.account_id, now=now(), by="customer")
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        assert (withdrawn.refunded, withdrawn.kept, balances()) == (1399, 0, {})

    def test_is_let_go_of_by_a_withdrawal_while_it_waits(self, invoice: Invoice, settings: Settings) -> None:
        settings.REFUND_APPROVAL_LIMIT = 499
        asked = owe(invoice)
        assert withdrawals.withdraw(account_id=invoice.account_id, now=now(), by="customer").refunded == 1399
        asked.refresh_from_db()
        assert (asked.state, asked.failure) == ("refused", "withdrawn")

    def test_on_its_way_lets_a_withdrawal_wait(self, invoice: Invoice) -> None:
        refunds.request_owed_again(invoice_id=invoice.pk, amount=500, reason="", by=ANNA, now=now())
        with pytest.raises(PaymentUnderWay):
            withdrawals.withdraw(account_id=invoice.account_id, now=now(), by="customer")
        assert (Subscription.objects.get().status, Refund.objects.count()) == ("active", 1)

    def test_is_not_approved_once_nothing_goes_on(self, invoice: Invoice, settings: Settings) -> None:
        settings.REFUND_APPROVAL_LIMIT = 499
        asked = owe(invoice)
        Subscription.objects.update(cancel_at=now() + timedelta(days=3))
        with pytest.raises(refunds.NoNextInvoice):
            refunds.approve(refund_id=asked.pk, by="staff:ben")
        asked.refresh_from_db()
        assert asked.state == "requested"

    @pytest.mark.parametrize("collected", [False, True])
    def test_that_fails_later_is_owed_no_more(self, invoice: Invoice, collected: bool) -> None:
        refund = owe(invoice)
        if collected:
            renew()
        failed = RefundOutcome(RefundKind.FAILED, refund.gateway_id, "expired_or_canceled_card")
        for _ in range(2):
            refunds.settle(refund_id=refund.pk, outcome=failed, now=now())
        assert CreditGrant.objects.get().remaining == (500 if collected else 0)
        assert balances().get("customer_credit", 0) == (-500 if collected else 0)
        # It is the card's again to get back, and once.
        asked = refunds.request(invoice_id=invoice.pk, amount=1399, reason="", by=ANNA, now=now())
        assert (asked.amount, asked.attempt_id is not None) == (1399, True)
        with pytest.raises(refunds.NotRefundable):
            refunds.request(invoice_id=invoice.pk, amount=1, reason="", by=ANNA, now=now())

    def test_that_fails_after_it_came_back_as_credit_and_was_spent_is_credit_once_more(self, invoice: Invoice) -> None:
        refund = owe(invoice)
        renew()
        give_back(invoice, 1399)
        assert renew().credit_applied == 500
        failed = RefundOutcome(RefundKind.FAILED, refund.gateway_id, "expired_or_canceled_card")
        refunds.settle(refund_id=refund.pk, outcome=failed, now=now())
        assert (CreditGrant.objects.get().remaining, balances()["customer_credit"]) == (500, -500)

    def test_leaves_what_an_upgrade_credits(self, invoice: Invoice) -> None:
        owe(invoice)
        assert refunds.given_back(invoice).gross == 0
        assert refunds.refundable(invoice) == 1399

    def test_needs_a_next_invoice(self, invoice: Invoice) -> None:
        Subscription.objects.update(cancel_at=now() + timedelta(days=3))
        with pytest.raises(refunds.NoNextInvoice):
            owe(invoice)
        assert not Refund.objects.exists()

    def test_is_a_cards_and_takes_no_tax_back_says_the_database(self, invoice: Invoice) -> None:
        refund = owe(invoice)
        with pytest.raises(IntegrityError, match="refund_owed_again_is_of_a_card"), transaction.atomic():
            Refund.objects.filter(pk=refund.pk).update(net=420, tax=80)

    def test_takes_over_no_debt_twice(self, invoice: Invoice) -> None:
        owe(invoice)
        first = renew()
        assert CreditUse.objects.filter(amount=-500).get().invoice_id == first.pk
        second = renew()
        assert second.due == 1399


class TestStaff:
    def ask(self, client: Any, invoice: Invoice, **wanted: Any) -> Any:
        asked = {"invoice": str(invoice.pk), "amount": 500, "reason": "wrong card"} | wanted
        return client.post("/admin/billing/refund/add/", asked, follow=True)

    def test_chooses_and_a_second_person_approves(self, invoice: Invoice, settings: Settings) -> None:
        settings.REFUND_APPROVAL_LIMIT = 499
        rights = ("view_refund", "view_invoice", "request_refund", "approve_refund")
        anna, ben = staff(*rights), staff(*rights)
        assert "This field is required." in self.ask(anna, invoice).content.decode()
        assert not Refund.objects.exists()
        self.ask(anna, invoice, owed_again="yes")
        refund = Refund.objects.get()
        assert (refund.state, refund.owed_again, refund.net) == ("requested", True, 500)
        act(anna, "refund", "approve", refund)
        refund.refresh_from_db()
        assert refund.state == "requested"
        act(ben, "refund", "approve", refund)
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        refund.refresh_from_db()
        assert (refund.state, balances()) == ("succeeded", OWED)

    def test_gives_back_in_full_what_collected_a_debt(self, invoice: Invoice) -> None:
        owe(invoice)
        following = renew()
        act(staff("view_invoice", "request_refund"), "invoice", "refund_in_full", following)
        refund = Refund.objects.get(invoice=following)
        assert (refund.amount, refund.attempt_id is not None) == (1399, True)

    def test_gives_back_a_part_with_a_credit_note(self, invoice: Invoice) -> None:
        self.ask(staff("view_refund", "view_invoice", "request_refund"), invoice, owed_again="no")
        refund = Refund.objects.get()
        assert (refund.owed_again, refund.net, refund.tax) == (False, 420, 80)

    def test_is_told_why_not(self, invoice: Invoice) -> None:
        client = staff("view_refund", "view_invoice", "request_refund")
        page = self.ask(client, invoice, amount=1400, owed_again="yes").content.decode()
        assert "This cannot be given back" in page
        assert "A refund is a positive amount" in self.ask(client, invoice, amount=0, owed_again="no").content.decode()
        assert not Refund.objects.exists()

    def test_without_the_right_does_not(self, invoice: Invoice) -> None:
        refused = self.ask(staff("view_refund", "view_invoice"), invoice, owed_again="yes")
        assert refused.status_code == 403
        assert not Refund.objects.exists()
