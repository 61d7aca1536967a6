"""Invoices and credit notes as people read them: page, PDF, links and receipts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import translation
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import OutgoingEmail
from accounts.services import mails
from billing import pdf, stripe_gateway
from billing.models import (
    BillingDetails,
    Coupon,
    CreditGrant,
    CreditNote,
    Invoice,
    PaymentAttempt,
    ReceiptMark,
    Seller,
    Subscription,
)
from billing.selectors import documents as selectors
from billing.selectors.documents import Document
from billing.services import crediting, documents, refunds, renewals
from core import transactions
from core.clock import now
from tests.billing.customers import Customer
from tests.billing.threads import await_older_transactions
from tests.factories.billing import PlanFactory, PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db

MAY = datetime(2026, 5, 31, 12, tzinfo=UTC)
HALF = datetime(2026, 6, 15, 12, tzinfo=UTC)
# Arabic, Hebrew, Greek and Cyrillic letters look like others to the linter.
ARABIC = "\u0645\u062d\u0645\u062f \u0628\u0646 \u0631\u0627\u0634\u062f"
MIXED = (
    "\uae40\ucca0\uc218 \u05e9\u05dc\u05d5\u05dd \u041f\u0440\u0438\u0432\u0435\u0442 \u03a9\u03bc\u03ad\u03b3\u03b1"
)
MARKUP = "Zoë 😀 O'Brien & <Söhne> #let x = 1 $y$ \\ @z *b* _i_"
NAMES = ["Wolfeschlegelsteinhausenbergerdorff" * 4, "山田太郎 株式会社東京映像配信サービス", ARABIC, MIXED, MARKUP]


def bought(standin: Standin, at: datetime = MAY, **fields: Any) -> Customer:
    """A German customer who pays 13.99, 19 % tax included."""
    customer = Customer(standin, country="DE", **fields)
    price = PriceFactory.create(
        plan=PlanFactory.create(tier=1, name="Basic"), amount=1399, currency="EUR", tax_behavior="inclusive"
    )
    with time_machine.travel(at, tick=False):
        customer.save_card()
        assert customer.subscribe(price, time_zone="Europe/Berlin").status_code == 201
    customer.sign_in()
    return customer


def document_of(invoice: Invoice, language: str = "en") -> Document:
    with translation.override(language):
        return selectors.of_invoice(selectors.with_contents(Invoice.objects.filter(pk=invoice.pk)).get())


class TestInvoice:
    def test_says_who_sold_what_to_whom_for_how_much(self, standin: Standin, settings: Settings) -> None:
        settings.SELLER = settings.SELLER | {"name": "Streaming Ltd", "address": "1 Quay\nDublin", "tax_id": "IE1"}
        customer = bought(standin)
        document = document_of(Invoice.objects.get())
        assert (document.title, document.number, document.standing) == ("Invoice", "INV-2026-0000001", "Paid")
        assert (document.seller.name, document.seller.lines) == (
            "Streaming Ltd",
            ["1 Quay", "Dublin", "VAT number IE1"],
        )
        assert (document.buyer.name, document.buyer.lines) == (customer.account.email, ["Germany"])
        (line,) = document.lines
        assert (line.title, line.period, line.tax_rate, line.amount) == (
            "Basic", "May 31\u2009\u2013\u2009Jun 29, 2026", "19%", "\u20ac13.99",
        )  # fmt: skip
        assert line.reasons == [
            "Basic costs \u20ac13.99 a month.",
            "This includes 19% tax (Germany): \u20ac11.76 without it, \u20ac2.23 tax.",
        ]
        (tax,) = document.taxes
        assert (tax.rate, tax.net, tax.tax, tax.gross) == ("19%", "\u20ac11.76", "\u20ac2.23", "\u20ac13.99")
        assert [(fact.label, fact.value) for fact in [*document.totals, document.total, *document.tender]] == [
            ("Net", "\u20ac11.76"),
            ("Tax", "\u20ac2.23"),
            ("Total", "\u20ac13.99"),
            ("Paid with Visa \u2022\u2022\u2022\u2022 4242", "\u20ac13.99"),
        ]

    def test_is_german_for_germans(self, standin: Standin) -> None:
        bought(standin)
        document = document_of(Invoice.objects.get(), "de")
        assert (document.title, document.standing, document.total.value) == ("Rechnung", "Bezahlt", "13,99\u00a0\u20ac")
        assert document.lines[0].period == "31. Mai\u2009\u2013\u200929. Juni 2026"
        assert document.buyer.lines == ["Deutschland"]

    def test_costs_as_many_queries_for_many_lines_as_for_one(
        self, standin: Standin, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        bought(standin)
        with django_assert_num_queries(13):
            document_of(Invoice.objects.get())

    def test_keeps_the_seller_and_the_buyer_of_its_time(self, standin: Standin, settings: Settings) -> None:
        documents.record_seller(now=MAY - timedelta(days=1))
        customer = bought(standin)
        settings.SELLER = settings.SELLER | {"name": "Bought Up Inc"}
        assert documents.record_seller(now=MAY + timedelta(days=1)).name == "Bought Up Inc"
        assert documents.record_seller(now=MAY + timedelta(days=2)).since == MAY + timedelta(days=1)
        with time_machine.travel(MAY + timedelta(days=1), tick=False):
            details = {"name": "ACME GmbH", "address": " Weg 1 \n\n10115 Berlin", "tax_id": "DE123"}
            assert customer.http.put("/api/v1/billing-details", details, format="json").status_code == 200
        first = document_of(Invoice.objects.get())
        assert (first.seller.name, first.buyer.name) == ("Streaming", customer.account.email)
        with time_machine.travel(MAY + timedelta(days=2), tick=False):
            BillingDetails.objects.get()
        later = selectors.with_contents(Invoice.objects.all()).get()
        later.finalised_at = MAY + timedelta(days=2)
        document = selectors.of_invoice(later)
        assert (document.seller.name, document.buyer.name) == ("Bought Up Inc", "ACME GmbH")
        assert document.buyer.lines == [
            "Weg 1", "10115 Berlin", "Germany", "VAT number DE123", customer.account.email,
        ]  # fmt: skip

    @pytest.mark.parametrize("model", [Seller, BillingDetails])
    def test_names_nobody_who_was_changed_afterwards(self, standin: Standin, model: Any) -> None:
        customer = bought(standin)
        documents.record_seller(now=MAY)
        documents.set_billing_details(account_id=customer.account.pk, name="A", address="", tax_id="", now=MAY)
        with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
            model.objects.update(name="B")
        assert model.objects.get().name != "B"


class TestPdf:
    def test_is_an_archivable_pdf_of_one_page_with_all_that_the_invoice_says(self, standin: Standin) -> None:
        customer = bought(standin)
        answer = customer.get(f"invoices/{Invoice.objects.get().pk}/pdf")
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
        assert answer["Content-Disposition"] == 'inline; filename="INV-2026-0000001.pdf"'
        assert answer.content.startswith(b"%PDF-")
        assert b"pdfaid:part" in answer.content
        assert len(re.findall(rb"/Type ?/Page\b", answer.content)) == 1

    def test_is_the_same_each_time(self, standin: Standin) -> None:
        bought(standin)
        document = document_of(Invoice.objects.get())
        assert pdf.write(document) == pdf.write(document)

    @pytest.mark.parametrize("name", NAMES)
    def test_holds_whatever_somebody_is_called(self, standin: Standin, name: str) -> None:
        customer = bought(standin)
        documents.set_billing_details(
            account_id=customer.account.pk, name=name[:200], address=f"東京都\n{ARABIC}", tax_id="", now=MAY
        )
        written = pdf.write(document_of(Invoice.objects.get()))
        assert len(re.findall(rb"/Type ?/Page\b", written)) == 1

    def test_of_many_lines_goes_on_on_another_page(self, standin: Standin) -> None:
        bought(standin)
        document = document_of(Invoice.objects.get())
        document.lines.extend(document.lines * 40)
        assert len(re.findall(rb"/Type ?/Page\b", pdf.write(document))) > 1

    def test_is_for_its_account_alone(self, standin: Standin) -> None:
        bought(standin)
        answer = Customer(standin).get(f"invoices/{Invoice.objects.get().pk}/pdf")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


class TestPage:
    def test_is_shown_to_its_owner_with_the_explanation(self, standin: Standin, client: Client) -> None:
        customer = bought(standin)
        client.force_login(customer.account)
        address = f"/invoices/{Invoice.objects.get().pk}"
        shown = client.get(address)
        assert shown.status_code == 200
        assert "This includes 19% tax (Germany)" in shown.content.decode()
        assert client.get(f"{address}.pdf")["Content-Type"] == "application/pdf"

    def test_is_shown_to_nobody_else(self, standin: Standin, client: Client) -> None:
        bought(standin)
        address = f"/invoices/{Invoice.objects.get().pk}"
        assert client.get(address).status_code == 403
        client.force_login(Customer(standin).account)
        assert client.get(address).status_code == 404

    def test_opens_by_the_link_of_a_mail_for_a_month(self, standin: Standin, client: Client) -> None:
        bought(standin)
        address = documents.invoice_url(Invoice.objects.get().pk).removeprefix("http://testserver")
        assert "INV-2026-0000001" in client.get(address).content.decode()
        assert client.get(f"{address}/pdf")["Content-Type"] == "application/pdf"
        assert client.get(f"{address[:-1]}x").status_code == 404
        with time_machine.travel(datetime.now(UTC) + documents.LINK_LIVES + timedelta(minutes=1)):
            assert client.get(address).status_code == 404


class TestCreditNote:
    def test_is_mailed_listed_and_written(self, standin: Standin, client: Client) -> None:
        customer = bought(standin)
        refund = refunds.request(
            invoice_id=Invoice.objects.get().pk, amount=500, reason="goodwill", by="staff:1", now=HALF
        )
        refunds.send(refund_id=refund.pk, gateway=stripe_gateway.connect(), now=HALF)
        note = CreditNote.objects.get()
        (listed,) = customer.get("credit-notes").json()["results"]
        assert (listed["number"], listed["net"], listed["tax"], listed["total"]) == ("CN-2026-0000001", 420, 80, 500)
        assert customer.get(f"credit-notes/{note.pk}/pdf")["Content-Type"] == "application/pdf"
        assert Customer(standin).get(f"credit-notes/{note.pk}/pdf").status_code == 404
        document = selectors.of_credit_note(selectors.credit_notes().get())
        assert (document.total.value, document.tender[0].value) == ("-\u20ac5.00", "\u20ac5.00")
        mail = OutgoingEmail.objects.get(template="billing/email/refunded")
        assert mail.context["amount"] == "\u20ac5.00"
        assert client.get(mail.context["action_url"].removeprefix("http://testserver")).status_code == 200
        tender = document_of(Invoice.objects.get()).tender[-1]
        assert (tender.label, tender.value) == ("Given back, credit note CN-2026-0000001", "-\u20ac5.00")


class TestReceipts:
    @pytest.fixture(autouse=True)
    def begun(self, db: None) -> None:
        documents.send_receipts(now=MAY)

    @pytest.fixture
    def committed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Rows of this test's own transaction count as committed."""
        ReceiptMark.objects.update(transaction=0)

    def test_are_not_sent_for_a_transaction_that_is_still_open(self, standin: Standin) -> None:
        bought(standin)
        assert documents.send_receipts(now=MAY) == 0

    def test_say_in_the_customers_language_what_was_charged(self, standin: Standin) -> None:
        bought(standin, language="de")
        documents._mail_receipt(selectors.with_contents(Invoice.objects.all()).get(), now=MAY)
        mail = mails.render(OutgoingEmail.objects.get())
        assert mail.subject == "Beleg zur Rechnung INV-2026-0000001"
        assert "13,99\u00a0\u20ac" in str(mail.body)
        assert "/documents/" in str(mail.body)

    def test_name_what_the_card_paid_and_what_credit_did(self, standin: Standin) -> None:
        customer = Customer(standin, country="DE")
        customer.save_card()
        crediting.request_goodwill(
            account_id=customer.account.pk, amount=399, currency="EUR", reason="sorry", by="staff:1", now=MAY
        )
        customer.subscribe(PriceFactory.create(amount=1399, currency="EUR", country="DE"), quoted_due=1000)
        documents._mail_receipt(selectors.with_contents(Invoice.objects.all()).get(), now=MAY)
        body = str(mails.render(OutgoingEmail.objects.get()).body)
        assert "we charged €10.00 to" in body
        assert "Your credit paid €3.99 of it." in body
        assert "13.99" not in body

    def test_name_the_debts_that_credit_paid_with_all_of_an_invoice(self, standin: Standin) -> None:
        customer = Customer(standin, country="DE")
        customer.save_card()
        price = PriceFactory.create(amount=1399, currency="EUR", country="DE")
        customer.subscribe(price, time_zone="UTC")
        first = Invoice.objects.get()
        asked = refunds.request_owed_again(invoice_id=first.pk, amount=500, reason="", by="staff:1", now=now())
        refunds.send(refund_id=asked.pk, gateway=stripe_gateway.connect(), now=now())
        crediting.request_goodwill(
            account_id=customer.account.pk, amount=2500, currency="EUR", reason="", by="staff:1", now=now()
        )
        due = Subscription.objects.get().next_bill_at
        assert due is not None
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: due, limit=9)
        following = selectors.with_contents(Invoice.objects.exclude(pk=first.pk)).get()
        assert (following.status, following.due) == ("paid", 0)
        documents._mail_receipt(following, now=due)
        body = str(mails.render(OutgoingEmail.objects.get(template="billing/email/receipt")).body)
        assert (
            f"invoice {following.number} over €13.99 was paid. With it €5.00 that you owed from before was paid."
            in body
        )


@pytest.mark.django_db(transaction=True)
class TestReceiptsOfCommittedPayments:
    def test_are_sent_once_for_each(self, standin: Standin, settings: Settings) -> None:
        assert documents.send_receipts(now=MAY) == 0
        bought(standin)
        await_older_transactions()
        assert documents.send_receipts(now=MAY) == 1
        assert documents.send_receipts(now=MAY) == 0
        (mail,) = OutgoingEmail.objects.all()
        assert mail.template == "billing/email/receipt"
        settings.RECEIPT_MAILS = False
        PaymentAttempt.objects.get()
        ReceiptMark.objects.update(transaction=0)
        assert documents.send_receipts(now=MAY) == 0

    def test_are_sent_for_debts_that_are_charged_with_what_costs_nothing(self, standin: Standin) -> None:
        Coupon.objects.create(code="FREE", percent=100, periods=1)
        customer = Customer(standin, country="DE")
        customer.save_card()
        CreditGrant.objects.create(
            account=customer.account, kind="owed", currency="EUR", amount=-500, remaining=-500, source_key="owed:1",
            requested_by="staff:1", created_at=MAY,
        )  # fmt: skip
        assert documents.send_receipts(now=MAY) == 0
        price = PriceFactory.create(amount=1399, currency="EUR", country="DE")
        bought = customer.subscribe(price, coupon="FREE", quoted_amount=0, quoted_due=500)
        assert bought.status_code == 201
        await_older_transactions()
        assert documents.send_receipts(now=MAY) == 1
        body = str(mails.render(OutgoingEmail.objects.get(template="billing/email/receipt")).body)
        assert "we charged €5.00 to" in body
        assert "With it we charged €5.00 that you owed from before." in body

    def test_are_sent_from_a_database_that_was_restored(self, standin: Standin) -> None:
        bought(standin)
        ReceiptMark.objects.create(transaction=2**60)
        assert documents.send_receipts(now=MAY) == 0
        assert ReceiptMark.objects.get().transaction <= transactions.first_open()
