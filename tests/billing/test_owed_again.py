"""Refund and owe: money goes back to a card, the invoice stays as it is, and the next one charges it again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from pytest_django import Settings

from accounts.models import OutgoingEmail
from accounts.services import mails
from billing import stripe_gateway
from billing.gateway import FraudWarning, Gateway, RefundKind, RefundOutcome
from billing.models import CreditGrant, CreditNote, CreditUse, Invoice, PaymentAttempt, Refund, Subscription
from billing.models import FraudWarning as FraudWarningRow
from billing.selectors import documents, explanations
from billing.services import crediting, disputes, fraud, refunds, renewals, tie_out, withdrawals
from billing.services import documents as mailed
from billing.services.subscriptions import PaymentUnderWay
from core.clock import now
from tests.billing.customers import Customer
from tests.billing.instant import InstantGateway
from tests.billing.locks import first_locks, in_order
from tests.billing.test_admin_credit import act, staff
from tests.billing.test_refunds import ANNA, balances, give_back, paid, state
from tests.factories.billing import PriceFactory
from tests.standin import Standin

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.rule("4.12"),
]

PAID = {"cash:stripe_clearing": 1399, "deferred_revenue": -1176, "tax_payable": -223}
OWED = {"cash:stripe_clearing": 899, "customer_credit": 500, "deferred_revenue": -1176, "tax_payable": -223}


def owe(invoice: Invoice, amount: int = 500) -> Refund:
    asked = refunds.request_owed_again(invoice_id=invoice.pk, amount=amount, reason="wrong card", by=ANNA, now=now())
    return refunds.send(refund_id=asked.pk, gateway=stripe_gateway.connect(), now=now())


def renew(gateway: Gateway | None = None) -> Invoice:
    due = Subscription.objects.get().next_bill_at
    assert due is not None
    renewals.run(gateway=gateway or InstantGateway(), clock=lambda: due + timedelta(minutes=1), limit=9)
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
        whole = documents.with_contents(Invoice.objects.filter(pk=invoice.pk)).get()
        assert [reason.code for reason in explanations.explain(whole).history] == ["finalised", "paid", "credit"]
        following = renew()
        texts = [
            [reason.text for reason in explanations.explain(each).history if reason.code == "credit"]
            for each in documents.with_contents(Invoice.objects.filter(pk__in=[invoice.pk, following.pk])).order_by(
                "pk"
            )
        ]
        assert texts == [
            ["€5.00 was given back to the card and is owed again: the next invoice charges it."],
            [f"€5.00 of invoice {invoice.number}, which was given back to the card, is charged with it."],
        ]
        shown = documents.of_invoice(documents.with_contents(Invoice.objects.filter(pk=invoice.pk)).get())
        assert [fact.value for fact in shown.tender] == ["€13.99", "-€5.00"]
        with translation.override("de"):
            shown = documents.of_invoice(documents.with_contents(Invoice.objects.filter(pk=invoice.pk)).get())
        assert shown.tender[-1].label == "Zurückgezahlt, wird mit der nächsten Rechnung erneut berechnet"

    def test_is_a_line_of_its_own_on_what_collects_it(self, invoice: Invoice) -> None:
        owe(invoice)
        CreditGrant.objects.create(
            account_id=invoice.account_id, kind="goodwill", currency="EUR", amount=200, remaining=200,
            source_key="goodwill:1", requested_by=ANNA, created_at=now(),
        )  # fmt: skip
        following = renew()
        shown = documents.of_invoice(documents.with_contents(Invoice.objects.filter(pk=following.pk)).get())
        assert [(fact.label, fact.value) for fact in shown.tender] == [
            ("Paid from credit and gifts", "€2.00"),
            (f"Of invoice {invoice.number}, given back to the card and charged again", "€5.00"),
            ("Paid with Visa •••• 4242", "€16.99"),
        ]
        assert "Paid from credit and gifts: -" not in f"{shown}"
        mailed._mail_receipt(documents.with_contents(Invoice.objects.filter(pk=following.pk)).get(), now=now())
        receipt = mails.render(OutgoingEmail.objects.filter(template="billing/email/receipt").latest("pk")).body
        assert "Your credit paid €2.00 of it. With it we charged €5.00 that you owed from before." in receipt

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

    @pytest.mark.parametrize(
        ("amount", "credit", "tender", "told"),
        [
            (400, 0, [("Not charged with a later invoice any more", "€4.00")], "You need not pay €4.00 of invoice"),
            (
                1000,
                700,
                [("Not charged with a later invoice any more", "€5.00"), ("Given back as credit", "€3.01")],
                "€5.00 of it was still to be charged with a later invoice, and is not any more. Credit had paid the rest",
            ),
        ],
    )
    def test_that_is_forgiven_is_not_called_credit_on_its_credit_note(
        self, standin: Standin, amount: int, credit: int, tender: list[tuple[str, str]], told: str
    ) -> None:
        if credit:
            customer = Customer(standin, country="DE")
            customer.save_card()
            crediting.request_goodwill(
                account_id=customer.account.pk, amount=credit, currency="EUR", reason="", by=ANNA, now=now()
            )
            price = PriceFactory.create(amount=1399, currency="EUR", country="DE")
            customer.subscribe(price, quoted_due=1399 - credit, time_zone="UTC")
            invoice = Invoice.objects.get()
        else:
            invoice = paid(standin)
        owe(invoice)
        asked = refunds.request(invoice_id=invoice.pk, amount=amount, reason="", by=ANNA, now=now())
        if asked.attempt_id:
            refunds.send(refund_id=asked.pk, gateway=stripe_gateway.connect(), now=now())
        note = documents.credit_notes().get(refund__attempt=None)
        assert note.refund.forgiven == min(amount, 500)
        assert [(fact.label, fact.value) for fact in documents.of_credit_note(note).tender] == tender
        letters = OutgoingEmail.objects.filter(template="billing/email/refunded")
        assert any(told in str(mails.render(letter).body) for letter in letters)

    def test_is_forgiven_before_the_card_gets_a_part_back(self, invoice: Invoice) -> None:
        owe(invoice)
        give_back(invoice, 600)
        assert CreditGrant.objects.get().remaining == 0
        assert sorted(Refund.objects.filter(owed_again=False).values_list("amount", "attempt")) == [
            (100, PaymentAttempt.objects.get().pk),
            (500, None),
        ]

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

    def test_that_became_credit_pays_like_credit(self, invoice: Invoice) -> None:
        refund = owe(invoice)
        collecting = renew()
        failed = RefundOutcome(RefundKind.FAILED, refund.gateway_id, "expired_or_canceled_card")
        refunds.settle(refund_id=refund.pk, outcome=failed, now=now())
        shown = documents.with_contents(Invoice.objects.filter(pk=invoice.pk)).get()
        assert [reason.code for reason in explanations.explain(shown).history] == ["finalised", "paid"]
        # As a small rest does that was charged with another invoice, when its own is given back.
        rest = CreditGrant.objects.create(
            account_id=invoice.account_id, kind="carried", currency="EUR", amount=-20, remaining=20,
            source_key="carried:1", requested_by="system", created_at=now(),
        )  # fmt: skip
        for standing, amount in ((invoice, 20), (collecting, -20)):
            CreditUse.objects.create(grant=rest, invoice=standing, amount=amount, used_at=now())
        paid_last, collecting = (
            documents.with_contents(Invoice.objects.filter(pk=each.pk)).get() for each in (renew(), collecting)
        )
        assert paid_last.due == 1399 - 520
        assert [(fact.label, fact.value) for fact in documents.of_invoice(paid_last).tender] == [
            ("Paid from credit and gifts", "€5.20"),
            ("Paid with Visa •••• 4242", "€8.79"),
        ]
        told = [reason.text for reason in explanations.explain(paid_last).history if reason.code == "credit"]
        assert sorted(told) == ["Your credit paid €0.20 of it.", "Your credit paid €5.00 of it."]
        mailed._mail_receipt(paid_last, now=now())
        receipt = mails.render(OutgoingEmail.objects.filter(template="billing/email/receipt").latest("pk")).body
        assert "Your credit paid €5.20 of it." in receipt
        assert [fact.label for fact in documents.of_invoice(collecting).tender][:2] == [
            f"Of invoice {invoice.number}, given back to the card and charged again",
            f"Rest of invoice {invoice.number}, charged with this one",
        ]

    def test_that_fails_after_it_came_back_as_credit_and_was_spent_is_credit_once_more(self, invoice: Invoice) -> None:
        refund = owe(invoice)
        # Credit pays the invoice that collects it, so it comes back as credit.
        crediting.request_goodwill(
            account_id=invoice.account_id, amount=1899, currency="EUR", reason="", by=ANNA, now=now()
        )
        assert renew().due == 0
        give_back(invoice, 1399)
        assert renew().credit_applied == 500
        failed = RefundOutcome(RefundKind.FAILED, refund.gateway_id, "expired_or_canceled_card")
        refunds.settle(refund_id=refund.pk, outcome=failed, now=now())
        left = sum(CreditGrant.objects.values_list("remaining", flat=True))
        assert (left, balances()["customer_credit"]) == (500, -500)

    def test_is_approved_while_nobody_cancels_at_the_same_time(self, invoice: Invoice, settings: Settings) -> None:
        settings.REFUND_APPROVAL_LIMIT = 499
        asked = owe(invoice)
        with CaptureQueriesContext(connection) as queries:
            refunds.approve(refund_id=asked.pk, by="staff:ben")
        locked = [
            table
            for query in queries.captured_queries
            if "FOR UPDATE" in query["sql"]
            for table in re.findall(r'FROM "billing_(\w+)"', query["sql"])
        ]
        assert locked == ["subscription", "invoice", "refund"]

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


@pytest.fixture
def collected(invoice: Invoice) -> Invoice:
    """Answer the invoice that charged 5.00 of the first one with its own."""
    owe(invoice)
    return renew(stripe_gateway.connect())


class TestCollected:
    """What another card paid for a debt goes back to that card, once."""

    def charge_of(self, invoice: Invoice) -> PaymentAttempt:
        return PaymentAttempt.objects.get(invoice=invoice, state="succeeded")

    def parts(self, invoice: Invoice) -> list[tuple[int, UUID | None]]:
        found = Refund.objects.filter(invoice=invoice, owed_again=False).select_related("attempt")
        return [(each.amount, each.attempt.invoice_id if each.attempt else None) for each in found.order_by("pk")]

    def give_all_back(self, invoice: Invoice, amount: int = 1399) -> None:
        refunds.request(invoice_id=invoice.pk, amount=amount, reason="", by=ANNA, now=now())
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())

    @pytest.mark.parametrize("first", [0, 1])
    def test_goes_back_to_the_card_that_paid_it(
        self, invoice: Invoice, collected: Invoice, standin: Standin, first: int
    ) -> None:
        for each in ([invoice, collected], [collected, invoice])[first]:
            self.give_all_back(each)
        assert self.parts(invoice) == [(899, invoice.pk), (500, collected.pk)]
        assert self.parts(collected) == [(1399, collected.pk)]
        assert balances() == {}
        shown = documents.of_invoice(documents.with_contents(Invoice.objects.filter(pk=collected.pk)).get())
        assert (f"Given back of what was charged for invoice {invoice.number}", "-€5.00") in [
            (fact.label, fact.value) for fact in shown.tender
        ]
        assert f"€5.00, which were charged for invoice {invoice.number}, went back" in " ".join(shown.history)
        assert [grant.remaining for grant in CreditGrant.objects.all()] == [0]
        assert [charge["amount"] - charge["amount_refunded"] for charge in standin.control.charges()] == [0, 0]
        assert sorted(CreditNote.objects.values_list("invoice__number", "net", "tax")) == [
            (invoice.number, 420, 80),
            (invoice.number, 756, 143),
            (collected.number, 1176, 223),
        ]

    def test_goes_back_once(self, invoice: Invoice, collected: Invoice) -> None:
        self.give_all_back(invoice)
        for again in (invoice, collected):
            with pytest.raises(refunds.NotRefundable):
                refunds.request(invoice_id=again.pk, amount=1400, reason="", by=ANNA, now=now())
        with pytest.raises(refunds.NotRefundable):
            refunds.request(invoice_id=invoice.pk, amount=1, reason="", by=ANNA, now=now())
        assert refunds.charge_left(self.charge_of(collected)) == 1399

    def test_is_asked_for_once_while_it_waits_for_a_second_person(
        self, invoice: Invoice, collected: Invoice, settings: Settings
    ) -> None:
        settings.REFUND_APPROVAL_LIMIT = 1000
        refunds.request(invoice_id=invoice.pk, amount=1200, reason="", by=ANNA, now=now())
        assert self.parts(invoice) == [(899, invoice.pk), (301, collected.pk)]
        refunds.request(invoice_id=invoice.pk, amount=199, reason="", by=ANNA, now=now())
        assert self.parts(invoice)[2:] == [(199, collected.pk)]
        for waiting in Refund.objects.filter(state="requested"):
            refunds.approve(refund_id=waiting.pk, by="staff:ben")
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        assert set(Refund.objects.values_list("state", flat=True)) == {"succeeded"}
        assert balances() == {"cash:stripe_clearing": 1399, "deferred_revenue": -1176, "tax_payable": -223}

    def test_that_comes_back_is_the_customers_again(self, invoice: Invoice, collected: Invoice) -> None:
        before = balances()
        self.give_all_back(invoice)
        elsewhere = Refund.objects.get(invoice=invoice, attempt__invoice=collected)
        failed = RefundOutcome(RefundKind.FAILED, elsewhere.gateway_id, "expired_or_canceled_card")
        for _ in range(2):
            refunds.settle(refund_id=elsewhere.pk, outcome=failed, now=now())
        assert balances()["cash:stripe_clearing"] == before["cash:stripe_clearing"] - 899
        assert CreditGrant.objects.get().remaining == 0
        self.give_all_back(invoice, 500)
        assert self.parts(invoice)[-1] == (500, collected.pk)

    def test_is_given_back_by_a_withdrawal(self, invoice: Invoice, collected: Invoice, standin: Standin) -> None:
        withdrawn = withdrawals.withdraw(account_id=invoice.account_id, now=now(), by="customer")
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        assert (withdrawn.refunded, withdrawn.kept, balances()) == (2 * 1399, 0, {})
        assert [charge["amount"] - charge["amount_refunded"] for charge in standin.control.charges()] == [0, 0]

    def test_is_owed_again_after_an_early_fraud_warning(
        self, invoice: Invoice, collected: Invoice, standin: Standin
    ) -> None:
        charge = self.charge_of(collected)
        found = FraudWarning("issfr_1", charge.gateway_id, "made_with_stolen_card", actionable=True)
        assert fraud.record(found=found, now=now())
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        assert sorted(each["amount_refunded"] for each in standin.control.charges()) == [500, 1899]
        assert sorted(CreditGrant.objects.values_list("remaining", flat=True)) == [-500, 0]
        assert balances() == {
            "cash:stripe_clearing": 899,
            "customer_credit": 500,
            "deferred_revenue": -1176,
            "tax_payable": -223,
        }
        assert Subscription.objects.get().status == "canceled"

    @pytest.mark.parametrize("amount", [200, 1399, 1899])
    def test_is_given_back_with_what_collected_it_where_that_is_owed_again_too(
        self, invoice: Invoice, collected: Invoice, standin: Standin, amount: int
    ) -> None:
        owe(collected, amount)
        for each in (collected, invoice):
            self.give_all_back(each)
        assert (balances(), sum(grant.remaining for grant in CreditGrant.objects.all())) == ({}, 0)
        assert [charge["amount"] - charge["amount_refunded"] for charge in standin.control.charges()] == [0, 0]

    def test_leaves_a_withdrawal_possible_where_it_is_owed_again_too(
        self, invoice: Invoice, collected: Invoice
    ) -> None:
        owe(collected, 200)
        withdrawn = withdrawals.withdraw(account_id=invoice.account_id, now=now(), by="customer")
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        assert (withdrawn.refunded, balances()) == (2 * 1399, {})

    def test_is_not_taken_from_a_charge_that_a_bank_has(self, invoice: Invoice, collected: Invoice) -> None:
        disputes.record(found=state(collected), now=now())
        with pytest.raises(refunds.NotRefundable):
            self.give_all_back(invoice)
        self.give_all_back(invoice, 899)
        assert self.parts(invoice) == [(899, invoice.pk)]
        # Who has it from their bank does not get it from us too.
        disputes.record(found=state(collected, status="lost"), now=now())
        with pytest.raises(refunds.NotRefundable):
            self.give_all_back(invoice, 1)
        assert self.parts(invoice) == [(899, invoice.pk)]

    def test_is_taken_from_a_charge_that_a_bank_gave_back_to_us(self, invoice: Invoice, collected: Invoice) -> None:
        for status in ("needs_response", "won"):
            disputes.record(found=state(collected, status=status), now=now())
        self.give_all_back(invoice)
        assert self.parts(invoice) == [(899, invoice.pk), (500, collected.pk)]

    def test_is_let_go_of_by_a_dispute_while_it_waits(
        self, invoice: Invoice, collected: Invoice, settings: Settings
    ) -> None:
        settings.REFUND_APPROVAL_LIMIT = 1000
        refunds.request(invoice_id=invoice.pk, amount=1399, reason="", by=ANNA, now=now())
        disputes.record(found=state(collected), now=now())
        waiting = Refund.objects.filter(invoice=invoice, owed_again=False).order_by("pk")
        assert [(each.amount, each.state) for each in waiting] == [(899, "requested"), (500, "refused")]


class TestEarlyFraudWarning:
    def warn(self, invoice: Invoice) -> FraudWarningRow:
        charge = PaymentAttempt.objects.get(invoice=invoice)
        found = FraudWarning("issfr_1", charge.gateway_id, "made_with_stolen_card", actionable=True)
        assert fraud.record(found=found, now=now())
        return FraudWarningRow.objects.get()

    def test_takes_the_place_of_a_refund_that_waits(self, invoice: Invoice, settings: Settings) -> None:
        settings.REFUND_APPROVAL_LIMIT, settings.FRAUD_WARNING_REFUND_LIMIT = 999, 1399
        waiting = refunds.request(invoice_id=invoice.pk, amount=1000, reason="", by=ANNA, now=now())
        warned = self.warn(invoice)
        waiting.refresh_from_db()
        assert (waiting.state, warned.action, warned.refund and warned.refund.amount) == ("refused", "refunded", 1399)
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        assert balances() == {}

    def test_of_too_much_leaves_it_waiting_and_parks(self, invoice: Invoice, settings: Settings) -> None:
        settings.REFUND_APPROVAL_LIMIT, settings.FRAUD_WARNING_REFUND_LIMIT = 999, 1000
        waiting = refunds.request(invoice_id=invoice.pk, amount=1399, reason="", by=ANNA, now=now())
        warned = self.warn(invoice)
        waiting.refresh_from_db()
        assert (waiting.state, warned.action, Refund.objects.count()) == ("requested", "parked", 1)
        assert Subscription.objects.get().parked_reason == "early_fraud_warning"

    def test_locks_in_the_order_of_everybody(self, invoice: Invoice, settings: Settings) -> None:
        settings.REFUND_APPROVAL_LIMIT = 999
        refunds.request(invoice_id=invoice.pk, amount=1000, reason="", by=ANNA, now=now())
        with CaptureQueriesContext(connection) as queries:
            self.warn(invoice)
        assert (locked := first_locks(queries)) == in_order(locked)
        assert {"billing_paymentattempt", "billing_refund"} <= set(locked)


class TestStaff:
    def uncollected(self) -> list[int]:
        where = "/admin/billing/creditgrant/?left=uncollected"
        page = staff("view_creditgrant").get(where)
        return [grant.remaining for grant in page.context["cl"].queryset]

    def test_finds_the_debts_that_no_next_invoice_collects(self, invoice: Invoice) -> None:
        owe(invoice)
        assert self.uncollected() == []
        Subscription.objects.update(cancel_at=now() + timedelta(days=3))
        assert self.uncollected() == [-500]
        crediting.request_goodwill(
            account_id=invoice.account_id, amount=500, currency="EUR", reason="forgiven", by=ANNA, now=now()
        )
        assert (self.uncollected(), balances()["promo"], balances().get("customer_credit")) == ([], 500, None)

    def test_sees_how_an_invoice_is_paid_as_its_customer_does(self, invoice: Invoice) -> None:
        owe(invoice)
        crediting.request_goodwill(
            account_id=invoice.account_id, amount=200, currency="EUR", reason="outage", by=ANNA, now=now()
        )
        following = renew()
        page = staff("view_invoice").get(f"/admin/billing/invoice/{following.pk}/change/").content.decode()
        assert "<li>Paid from credit and gifts: €2.00</li>" in page
        assert f"<li>Of invoice {invoice.number}, given back to the card and charged again: €5.00</li>" in page
        assert "-€3.00" not in page

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
        # What was typed is still there, to be mended.
        assert 'name="amount" value="1400"' in page
        assert f'<option value="{invoice.pk}" selected>' in page
        assert "A refund is a positive amount" in self.ask(client, invoice, amount=0, owed_again="no").content.decode()
        assert not Refund.objects.exists()

    def test_without_the_right_does_not(self, invoice: Invoice) -> None:
        refused = self.ask(staff("view_refund", "view_invoice"), invoice, owed_again="yes")
        assert refused.status_code == 403
        assert not Refund.objects.exists()
