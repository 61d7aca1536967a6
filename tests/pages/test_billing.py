"""The pages of billing in a browser: an invoice, and the confirmation of a payment."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import OutgoingEmail
from billing import pdf, stripe_gateway
from billing.models import Coupon, Invoice, PaymentAttempt, Subscription
from billing.selectors import documents as found_documents
from billing.services import documents, renewals
from tests.billing.customers import Customer
from tests.factories.billing import PlanFactory, PriceFactory
from tests.pages.conftest import SCREENSHOTS, ErrorsOnPage
from tests.standin import Standin

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("keep_picture")]

JUNE = datetime(2026, 6, 1, 12, tzinfo=UTC)
HALF = datetime(2026, 6, 16, 12, tzinfo=UTC)


@pytest.fixture
def upgraded(standin: Standin) -> Customer:
    """A German customer with a coupon who changed to the higher plan at the half of June."""
    basic, premium = (
        PriceFactory.create(plan=PlanFactory.create(name=name), amount=amount, currency="EUR")
        for name, amount in (("Standard", 1399), ("Premium", 1999))
    )
    Coupon.objects.create(code="HALF", percent=50, periods=3)
    customer = Customer(standin, country="DE")
    with time_machine.travel(JUNE, tick=False):
        customer.save_card()
        documents.set_billing_details(
            account_id=customer.account.pk,
            name="Zoë 山田 \u0645\u062d\u0645\u062f 😀 Film- und Fernsehverleih GmbH",
            address="Hohe Straße 1\n20095 Hamburg",
            tax_id="DE 123456789",
            now=JUNE,
        )
        bought = customer.subscribe(basic, coupon="HALF", quoted_amount=699, time_zone="Europe/Berlin")
        assert bought.status_code == 201, bought.content
    with time_machine.travel(HALF, tick=False):
        quote = customer.post("subscription/quotes", {"price": str(premium.pk)}).json()
        changed = customer.post(f"subscription/quotes/{quote['id']}/accept", key=str(uuid4()))
        assert changed.status_code == 200, changed.content
    return customer


class TestInvoicePage:
    def test_shows_why_the_amount_of_an_upgrade_with_coupon_and_tax_is_what_it_is(
        self, page: Page, live_server: LiveServer, errors: ErrorsOnPage, upgraded: Customer, client: Client
    ) -> None:
        client.force_login(upgraded.account)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
        invoice = found_documents.with_contents(Invoice.objects.filter(kind="change")).get()
        page.goto(f"{live_server.url}/invoices/{invoice.pk}")
        expect(page.get_by_text("From June 16, 2026 on 15 of them are unused")).to_be_visible()
        expect(page.get_by_text("€1.50", exact=True).last).to_be_visible()
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.set_viewport_size({"width": 1280, "height": 1400})
        assert errors == []
        if SCREENSHOTS:
            (Path(SCREENSHOTS) / "invoice.pdf").write_bytes(pdf.write(found_documents.of_invoice(invoice)))
            told = upgraded.get(f"invoices/{invoice.pk}/explain").json()
            (Path(SCREENSHOTS) / "explain.json").write_text(json.dumps(told, indent=2, ensure_ascii=False))


class TestPayPage:
    def waiting(self, standin: Standin) -> str:
        """Answer the link of a renewal that the bank wants confirmed."""
        customer = Customer(standin)
        customer.save_card()
        customer.subscribe(PriceFactory.create())
        customer.save_card("4000002760003184")
        due = Subscription.objects.get().next_bill_at
        assert due is not None
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: due, limit=9)
        link: str = OutgoingEmail.objects.get(template="billing/email/authentication_needed").context["pay_url"]
        return "/pay/" + link.rpartition("/")[2]

    def test_confirms_at_the_bank_and_says_thank_you(
        self, page: Page, live_server: LiveServer, errors: ErrorsOnPage, standin: Standin
    ) -> None:
        page.goto(live_server.url + self.waiting(standin))
        page.get_by_role("button", name="Confirm").click()
        page.wait_for_url(f"{standin.url}/**")
        page.get_by_role("button").first.click()
        expect(page.get_by_text("Thank you")).to_be_visible()
        expect(page.get_by_role("heading", name="Payment made")).to_be_visible()
        assert errors == []
        assert PaymentAttempt.objects.filter(state="succeeded").count() == len(standin.control.charges()) == 2

    def test_says_what_went_wrong_and_lets_the_customer_try_again(
        self, page: Page, live_server: LiveServer, standin: Standin
    ) -> None:
        page.goto(live_server.url + self.waiting(standin))
        standin.control.fault("error_before", path=".*/confirm")
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_role("status")).not_to_be_empty()
        expect(page.get_by_role("button", name="Confirm")).to_be_enabled()
        standin.control.clear()
        page.get_by_role("button", name="Confirm").click()
        page.wait_for_url(f"{standin.url}/**")
        assert len(standin.control.charges()) == 1
