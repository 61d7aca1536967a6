"""Answering disputes with what we hold, and acting on early warnings before they become some."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from billing import stripe_gateway
from billing.gateway import RefundKind, RefundOutcome
from billing.models import (
    Consent,
    CreditNote,
    Dispute,
    FraudWarning,
    Invoice,
    LegalDocument,
    Refund,
    Subscription,
    WebhookEvent,
)
from billing.selectors import evidence as packs
from billing.services import consents, evidence, gift_codes, gifts, parking, refunds, tie_out
from billing.services.cards import PaymentServiceUnavailable
from core.clock import now
from tests import standin as standins
from tests.billing.customers import Customer
from tests.billing.test_gifts import bought, redeem
from tests.billing.test_refunds import apply_events, balances
from tests.factories.accounts import StaffFactory
from tests.factories.billing import PriceFactory
from tests.standin import Standin

pytestmark = [pytest.mark.django_db, pytest.mark.rule("4.13")]


@pytest.fixture
def customer(standin: Standin) -> Customer:
    """A subscriber who agreed to the terms."""
    terms = consents.publish(kind=consents.Kind.TERMS, country="", text="Our terms.", url="", now=now())
    customer = Customer(standin)
    customer.save_card()
    bought = customer.subscribe(PriceFactory.create(), documents=[str(terms.pk)], time_zone="UTC")
    assert bought.status_code == 201, bought.content
    return customer


@pytest.fixture
def dispute(standin: Standin, customer: Customer) -> Dispute:
    standin.control.dispute(standin.control.charges()[0]["id"])
    apply_events()
    return Dispute.objects.get()


def submit(dispute: Dispute, *, at: datetime | None = None) -> Dispute:
    return evidence.submit(dispute_id=dispute.pk, gateway=stripe_gateway.connect(), now=at or now(), by="staff:1")


def at_gateway(standin: Standin, path: str) -> Any:
    """Answer an object as the gateway has it."""
    headers = {"Authorization": f"Bearer {standins.SECRET_KEY}"}
    return httpx.get(f"{standin.url}/v1/{path}", headers=headers, trust_env=False).json()


class TestPack:
    def test_holds_what_speaks_for_the_payment(self, dispute: Dispute, customer: Customer) -> None:
        pack = packs.pack(dispute)
        invoice = Invoice.objects.get()
        assert pack.texts["customer_email_address"] == customer.account.email
        assert pack.texts["customer_purchase_ip"] == "127.0.0.1"
        assert str(invoice.number) in pack.texts["product_description"]
        assert "Our terms." in pack.texts["cancellation_policy_disclosure"]
        assert "undisputed" not in pack.texts["uncategorized_text"]
        tables = {table.name: table for table in pack.tables}
        assert [row[2:] for row in tables["consents"].rows] == [("127.0.0.1", "US")]
        assert [row[1:] for row in tables["payments"].rows] == [(invoice.number, "visa 4242", "disputed")]
        assert [row[1:] for row in tables["countries"].rows] == [("US", "US", "US")]
        names = zipfile.ZipFile(io.BytesIO(packs.archive(pack))).namelist()
        assert f"{invoice.number}.pdf" in names
        assert "sign_ins.csv" in names
        assert "submitted/access_activity_log.txt" in names or not tables["sign_ins"].rows

    def test_is_no_longer_than_the_gateway_takes_and_keeps_the_newest(self, dispute: Dispute) -> None:
        rows = [(f"{n}", "x" * 100) for n in range(1000)]
        text = packs.Table("mails", ("at", "mail"), rows).as_text(packs.MOST_TEXT)
        assert 19_800 < len(text) <= 20_000
        assert text.startswith("at; mail\n")
        assert text.endswith("999; " + "x" * 100)
        consents.publish(kind=consents.Kind.TERMS, country="", text="T" * 90_000, url="", now=now())
        Consent.objects.update(document=LegalDocument.objects.latest("version"))
        pack = packs.pack(dispute)
        assert max(len(text) for text in pack.texts.values()) == 20_000
        assert "Payments:\nat; invoice; card; dispute\n" in pack.texts["uncategorized_text"]

    def test_is_nobody_elses(self, dispute: Dispute, customer: Customer) -> None:
        stranger = Customer(customer.standin).account
        pack = packs.pack(dispute)
        assert stranger.email not in "".join(pack.texts.values())


class TestSubmission:
    def test_reaches_the_bank_and_says_who(self, standin: Standin, dispute: Dispute) -> None:
        assert dispute.due_by is not None
        assert timedelta(days=6) < dispute.due_by - now() <= timedelta(days=7)
        submitted = submit(dispute)
        assert (submitted.status, submitted.submitted_by) == ("under_review", "staff:1")
        apply_events()
        assert Dispute.objects.get().status == "under_review"
        # Still parked: it is the bank's to decide.
        assert Subscription.objects.get().parked_reason == "dispute_open"

    def test_is_made_once_although_the_reply_was_lost(self, standin: Standin, dispute: Dispute) -> None:
        standin.control.fault("lost_reply", path="/v1/disputes/.*")
        with pytest.raises(PaymentServiceUnavailable):
            submit(dispute)
        assert Dispute.objects.get().submitted_at is None
        assert submit(dispute, at=now() + timedelta(minutes=1)).submitted_by == "staff:1"
        found = at_gateway(standin, f"disputes/{dispute.gateway_id}")
        assert found["evidence_details"]["submission_count"] == 1

    def test_has_the_invoice_and_its_last_correction_as_files(self, standin: Standin, customer: Customer) -> None:
        invoice = Invoice.objects.get()
        for amount in (100, 200, 300):
            asked = refunds.request(invoice_id=invoice.pk, amount=amount, reason="", by="staff:1", now=now())
            refunds.send(refund_id=asked.pk, gateway=stripe_gateway.connect(), now=now())
        # The last one came back and is not owed: its credit note is void, and corrects nothing.
        refunds.settle(refund_id=asked.pk, outcome=RefundOutcome(RefundKind.FAILED, asked.gateway_id), now=now())
        dismissed = Refund.Answer.DISMISSED
        refunds.answer(refund_id=asked.pk, how=dismissed, reason="fraud", by="staff:1", now=now())
        standin.control.dispute(standin.control.charges()[0]["id"])
        apply_events()
        dispute = Dispute.objects.get()
        # The second file's reply is lost: the first is not made again.
        standin.control.fault("lost_reply", path="/v1/files", skip=1)
        with pytest.raises(PaymentServiceUnavailable):
            submit(dispute)
        submit(dispute)
        given = at_gateway(standin, f"disputes/{dispute.gateway_id}")["evidence"]
        files = [at_gateway(standin, f"files/{given[name]}") for name in ("receipt", "uncategorized_file")]
        last = CreditNote.objects.filter(voided_at=None).latest("pk").number
        assert [(file["filename"], file["purpose"]) for file in files] == [
            (f"{invoice.number}.pdf", "dispute_evidence"),
            (f"{last}.pdf", "dispute_evidence"),
        ]
        assert files[0]["size"] == len(packs.pack(dispute).files[f"{invoice.number}.pdf"])

    def test_says_that_a_file_is_refused_and_not_that_it_is_too_late(self, dispute: Dispute) -> None:
        with pytest.raises(evidence.EvidenceRefused, match="at most 5 MB"):
            evidence.upload(dispute, gateway=stripe_gateway.connect(), name="INV-1.tiff", content=b"II*")
        assert Dispute.objects.get().submitted_at is None

    def test_is_refused_after_the_deadline(self, dispute: Dispute) -> None:
        with pytest.raises(evidence.EvidenceNotWanted):
            submit(dispute, at=now() + timedelta(days=8))
        assert Dispute.objects.get().submitted_at is None

    def test_is_refused_when_it_is_decided(self, standin: Standin, dispute: Dispute) -> None:
        standin.control.decide(dispute.gateway_id, won=True)
        with pytest.raises(evidence.EvidenceNotWanted):
            submit(dispute)
        assert Dispute.objects.get().submitted_at is None


class TestStaff:
    def client(self, *rights: str) -> tuple[Client, User]:
        staff = StaffFactory.create()
        staff.user_permissions.set(Permission.objects.filter(codename__in=rights))
        client = Client()
        client.force_login(staff)
        return client, staff

    def test_download_and_submit_with_the_right(self, dispute: Dispute) -> None:
        client, staff = self.client("view_dispute", "submit_evidence")
        answer = client.get(reverse("admin:billing_dispute_evidence", args=[dispute.pk]))
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
        client.post(
            reverse("admin:billing_dispute_changelist"),
            {"action": "submit_evidence", "_selected_action": [str(dispute.pk)]},
        )
        assert Dispute.objects.get().submitted_by == f"staff:{staff.pk}"

    def test_only_look_without(self, dispute: Dispute) -> None:
        client, _ = self.client("view_dispute")
        assert client.get(reverse("admin:billing_dispute_changelist")).status_code == 200
        assert client.get(reverse("admin:billing_dispute_evidence", args=[dispute.pk])).status_code == 403
        client.post(
            reverse("admin:billing_dispute_changelist"),
            {"action": "submit_evidence", "_selected_action": [str(dispute.pk)]},
        )
        assert Dispute.objects.get().submitted_at is None


class TestFraudWarning:
    def warn(self, standin: Standin, *, times: int = 1) -> None:
        standin.control.warn_of_fraud(standin.control.charges()[0]["id"])
        for _ in range(times):
            apply_events()

    def test_gives_a_small_payment_back_once_and_ends_the_subscription(
        self, standin: Standin, customer: Customer
    ) -> None:
        self.warn(standin, times=2)
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        warning = FraudWarning.objects.get()
        assert (warning.action, warning.fraud_type) == ("refunded", "misc")
        assert (Refund.objects.get().amount, Refund.objects.get().state) == (1549, "succeeded")
        assert Subscription.objects.get().status == "canceled"
        assert balances() == {}
        day = datetime.now(UTC).date()
        (report,) = tie_out.compare(day=day, gateway=stripe_gateway.connect(), now=now() + timedelta(days=1))
        assert (report.difference, report.details) == (0, [])

    def test_of_a_large_payment_waits_for_staff(self, standin: Standin, customer: Customer, settings: Any) -> None:
        settings.FRAUD_WARNING_REFUND_LIMIT = 1548
        self.warn(standin)
        assert FraudWarning.objects.get().action == "parked"
        assert not Refund.objects.exists()
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.parked_reason) == ("active", "early_fraud_warning")

    def test_of_what_was_given_back_changes_nothing(self, standin: Standin, customer: Customer) -> None:
        refunds.request(invoice_id=Invoice.objects.get().pk, amount=1549, reason="asked", by="staff:1", now=now())
        refunds.sweep(gateway=stripe_gateway.connect(), now=now())
        self.warn(standin)
        assert FraudWarning.objects.get().action == "none"
        assert Refund.objects.count() == 1
        assert Subscription.objects.get().status == "active"

    def test_of_a_large_gift_holds_it_back_until_staff_have_looked(self, standin: Standin, settings: Any) -> None:
        settings.FRAUD_WARNING_REFUND_LIMIT = 2499
        gift = bought(standin)
        self.warn(standin)
        warning = FraudWarning.objects.get()
        assert warning.action == "parked"
        receiver = Customer(standin)
        assert redeem(receiver, gift_codes.code_of(gift)).json()["code"] == "gift_not_valid"
        client = Client()
        client.force_login(StaffFactory.create(is_superuser=True))
        where = reverse("admin:billing_fraudwarning_changelist")
        for said in ("dismissed", "does not wait for staff"):
            answer = client.post(where, {"action": "dismiss", "_selected_action": [str(warning.pk)]}, follow=True)
            assert said in answer.content.decode()
        assert redeem(receiver, gift_codes.code_of(gift)).status_code == 201

    def test_of_a_large_gift_does_not_stand_in_the_way_of_its_refund(self, standin: Standin, settings: Any) -> None:
        settings.FRAUD_WARNING_REFUND_LIMIT = 2499
        gift = bought(standin)
        self.warn(standin)
        asked = gifts.give_back(gift_id=gift.pk, by="staff:1", now=now())
        refunds.send(refund_id=asked.pk, gateway=stripe_gateway.connect(), now=now())
        gift.refresh_from_db()
        assert (gift.state, balances()) == ("refunded", {})


class TestParked:
    def test_says_why_and_the_way_out_of_every_reason(self) -> None:
        for reason in (*parking.WAYS, "charged_for_void_invoice", "gateway_refused_x", "period_no_overlap"):
            way = parking.way(reason)
            assert way.why.endswith(".")
            assert way.out.endswith(".")

    def test_in_dispute_waits_for_the_bank(self, dispute: Dispute) -> None:
        subscription = Subscription.objects.get()
        with pytest.raises(parking.WaitsForTheBank):
            parking.put_back(subscription_id=subscription.pk, now=now(), by="staff:1")
        subscription.refresh_from_db()
        assert subscription.parked_reason == "dispute_open"

    def test_is_put_back_when_what_parked_it_is_over(self, customer: Customer) -> None:
        subscription = Subscription.objects.get()
        moment = now()
        charged = moment - timedelta(hours=1)
        for reason, due in (
            ("second_charge_within_20_hours", charged + timedelta(hours=20)),
            ("more_than_2_invoices_a_day", moment + timedelta(days=1)),
            ("due_before_its_boundary", subscription.paid_through),
        ):
            Subscription.objects.update(
                parked_at=moment, parked_reason=reason, next_bill_at=moment, last_charged_at=charged
            )
            put_back = parking.put_back(subscription_id=subscription.pk, now=moment, by="staff:1")
            assert (put_back.parked_at, put_back.next_bill_at) == (None, due)

    def test_is_a_list_with_words_and_an_action(self, dispute: Dispute) -> None:
        staff = StaffFactory.create(is_superuser=True)
        client = Client()
        client.force_login(staff)
        address = reverse("admin:billing_parkedsubscription_changelist")
        page = client.get(address).content.decode()
        assert "bank has taken a payment back" in page
        assert "Submit the evidence of the dispute" in page
        subscription = Subscription.objects.get()
        Subscription.objects.update(parked_reason="early_fraud_warning")
        Dispute.objects.update(status="won")
        client.post(address, {"action": "unpark", "_selected_action": [str(subscription.pk)]})
        subscription.refresh_from_db()
        assert subscription.parked_at is None
        note = subscription.transitions.order_by("-pk")[0]
        assert (note.by, note.reason) == (f"staff:{staff.pk}", "unparked: early_fraud_warning")


def test_webhooks_of_unknown_payments_wait(standin: Standin, customer: Customer) -> None:
    Invoice.objects.get().attempts.update(gateway_id="pi_other")
    standin.control.warn_of_fraud(standin.control.charges()[0]["id"])
    apply_events()
    assert not FraudWarning.objects.exists()
    assert WebhookEvent.objects.filter(status="parked").exists()
