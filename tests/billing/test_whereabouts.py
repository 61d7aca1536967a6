"""Price and tax follow evidence: fixed when bought, changed at a boundary and with notice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import OutgoingEmail
from accounts.services import accounts, mails
from billing.models import Invoice, JournalLine, Price, Subscription, TaxPlace, TaxRate
from billing.selectors import documents
from billing.services import moving
from core.models import OutboxEvent
from tests.billing.customers import CARDS, SEEN_FROM, Customer
from tests.billing.test_lifecycle import BEGIN, at, buy, history, run, signed_up
from tests.factories.accounts import StaffFactory
from tests.factories.billing import PlanFactory, PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db

AMERICAN = "4242424242424242"
DAY = timedelta(days=1)
FEBRUARY, MARCH, APRIL = (datetime(2026, month, 17, 20, 30, tzinfo=UTC) for month in (2, 3, 4))


@pytest.fixture
def german(db: None) -> Price:
    """One plan with prices for Germany and for the Britons."""
    plan = PlanFactory.create()
    PriceFactory.create(plan=plan, currency="GBP", country="GB", amount=1099)
    return PriceFactory.create(plan=plan, currency="EUR", country="DE", amount=1399)


def evidence() -> list[tuple[str, ...]]:
    rows = TaxPlace.objects.order_by("pk")
    return list(rows.values_list("cause", "declared", "card", "address", "country", "territory"))


def seen_from(where: str, standin: Standin, card: str, **fields: Any) -> Customer:
    """Answer a customer with a card whose requests come from a country, or from nobody knows where."""
    customer = signed_up(standin, card=None, **fields)
    customer.http.defaults[SEEN_FROM] = where
    with at(BEGIN):
        assert customer.save_card(card).status_code == 201
    return customer


class TestSubscribing:
    def test_keeps_what_decided_the_country(self, standin: Standin, german: Price) -> None:
        buy(seen_from("", standin, CARDS["DE"], country="DE"), german)
        assert evidence() == [("subscribed", "DE", "DE", "", "DE", "")]
        assert (Subscription.objects.get().country, Invoice.objects.get().country) == ("DE", "DE")

    def test_is_refused_with_a_card_from_elsewhere_and_nothing_else_known(
        self, standin: Standin, german: Price
    ) -> None:
        customer = seen_from("", standin, AMERICAN, country="DE")
        with at(BEGIN):
            refused = customer.subscribe(german)
        assert (refused.status_code, refused.json()["code"]) == (409, "country_uncertain")
        assert {name: refused.json()[name] for name in ("declared", "card", "address")} == {
            "declared": "DE",
            "card": "US",
            "address": "",
        }
        assert not Subscription.objects.exists()
        assert not TaxPlace.objects.exists()
        assert standin.control.charges() == []

    def test_takes_where_the_request_comes_from_as_evidence(self, standin: Standin, german: Price) -> None:
        buy(seen_from("DE", standin, AMERICAN, country="DE"), german)
        assert evidence() == [("subscribed", "DE", "US", "DE", "DE", "")]

    def test_is_where_card_and_request_agree_against_the_declaration(self, standin: Standin, german: Price) -> None:
        customer = seen_from("DE", standin, CARDS["DE"], country="US")
        with at(BEGIN):
            plans = customer.get("plans").json()
        assert (plans["country"], plans["plans"][0]["prices"][0]["amount"]) == ("DE", 1399)
        buy(customer, german)
        assert evidence() == [("subscribed", "US", "DE", "DE", "DE", "")]

    def test_in_a_territory_bears_the_tax_that_holds_there(self, standin: Standin, german: Price) -> None:
        customer = seen_from("", standin, CARDS["DE"], country="DE")
        with at(BEGIN):
            set_ = customer.http.put(
                "/api/v1/billing-details",
                {"name": "Büsingen Ltd", "postal_code": "78266", "country": "DE"},
                format="json",
            )
        assert set_.status_code == 200, set_.content
        buy(customer, german)
        assert evidence() == [("subscribed", "DE", "DE", "", "DE", "DE-78266")]
        line = Invoice.objects.get().lines.get()
        assert (line.amount, line.tax, line.tax_rate) == (1399, 0, Decimal(0))
        told = customer.get(f"invoices/{line.invoice_id}/explain").json()["lines"][0]["reasons"][-1]["text"]
        assert told.startswith("This includes 0% tax (Germany (78266))")

    def test_is_refused_by_the_database_for_what_one_piece_says(self, standin: Standin, german: Price) -> None:
        buy(seen_from("", standin, CARDS["DE"], country="DE"), german)
        with pytest.raises(IntegrityError, match="tax_place_two_agree"), transaction.atomic():
            TaxPlace.objects.create(
                subscription=Subscription.objects.get(),
                declared="DE",
                card="US",
                country="US",
                cause="card",
                decided_at=BEGIN,
            )


def move(customer: Customer, moment: datetime, *, country: str = "GB") -> None:
    """Say that one lives elsewhere, and save a card from there."""
    accounts.change(account_id=customer.account.pk, fields={"country": country}, now=moment)
    moving.review(account_id=customer.account.pk, cause=TaxPlace.Cause.DECLARED, now=moment)
    with at(moment):
        assert customer.save_card(CARDS[country]).status_code == 201


def mail(template: str) -> Any:
    return mails.render(OutgoingEmail.objects.get(template=f"billing/email/{template}"))


def issued() -> Invoice:
    """Answer the first invoice as its document is made of."""
    return documents.with_contents(Invoice.objects.order_by("pk"))[0]


class TestMoving:
    @pytest.mark.parametrize(
        ("language", "told"),
        [("en", "costs £10.99, with the tax of that country"), ("de", "10,99\xa0£, mit der Steuer dieses Landes")],
    )
    def test_is_told_and_holds_from_the_next_boundary(
        self, standin: Standin, german: Price, language: str, told: str
    ) -> None:
        customer = seen_from("", standin, CARDS["DE"], country="DE", language=language)
        buy(customer, german)
        move(customer, BEGIN + DAY)
        assert evidence()[1:] == [
            ("declared", "GB", "DE", "", "", ""),
            ("card", "GB", "GB", "", "GB", ""),
        ]
        subscription = Subscription.objects.get()
        assert (subscription.country, subscription.moves_at) == ("DE", FEBRUARY)
        letter = mail("country_changes")
        assert told in letter.body
        with at(BEGIN + 2 * DAY):
            answer = customer.get("subscription").json()
        bill = {"amount": 1099, "currency": "GBP", "credit": 0, "debts": 0, "due": 1099}
        assert answer["next_bill"] == {"at": "2026-02-17T20:30:00Z"} | bill
        assert (answer["country"], answer["moves_at"]) == ("DE", "2026-02-17T20:30:00Z")
        assert run(FEBRUARY) == ["succeeded"]
        subscription.refresh_from_db()
        assert (subscription.country, subscription.moves_at, subscription.price.currency) == ("GB", None, "GBP")
        invoice = Invoice.objects.order_by("pk").last()
        assert invoice is not None
        assert (invoice.country, invoice.total, invoice.lines.get().tax) == ("GB", 1099, 183)
        tax = JournalLine.objects.filter(account="tax_payable").order_by("pk").values_list("country", "amount")
        assert list(tax) == [("DE", -223), ("GB", -183)]
        assert ("active", "active", "country: GB") in history(subscription)
        assert run(MARCH) == ["succeeded"]
        assert evidence()[3:] == []

    def test_leaves_what_documents_of_before_say(self, standin: Standin, german: Price) -> None:
        customer = seen_from("", standin, CARDS["DE"], country="DE")
        buy(customer, german)
        with at(BEGIN):
            customer.http.put("/api/v1/billing-details", {"name": "Ann"}, format="json")
        before = documents.of_invoice(issued())
        assert "Germany" in before.buyer.lines
        move(customer, BEGIN + DAY)
        run(FEBRUARY)
        assert Subscription.objects.get().country == "GB"
        assert documents.of_invoice(issued()) == before

    def test_waits_for_the_boundary_after_if_the_next_is_too_near(self, standin: Standin, german: Price) -> None:
        customer = seen_from("", standin, CARDS["DE"], country="DE")
        buy(customer, german)
        move(customer, FEBRUARY - 6 * DAY)
        assert Subscription.objects.get().moves_at == MARCH
        assert [run(FEBRUARY), run(MARCH)] == [["succeeded"], ["succeeded"]]
        assert list(Invoice.objects.order_by("pk").values_list("country", "total")) == [
            ("DE", 1399),
            ("DE", 1399),
            ("GB", 1099),
        ]

    def test_is_off_when_the_evidence_changes_back(self, standin: Standin, german: Price) -> None:
        customer = seen_from("", standin, CARDS["DE"], country="DE")
        buy(customer, german)
        move(customer, BEGIN + DAY)
        move(customer, BEGIN + 2 * DAY, country="DE")
        assert Subscription.objects.get().moves_at is None
        assert "stays where it is (DE)" in mail("country_stays").body
        assert run(FEBRUARY) == ["succeeded"]
        assert list(Invoice.objects.order_by("pk").values_list("country", "total")) == [("DE", 1399), ("DE", 1399)]

    def test_does_not_follow_a_card_alone(self, standin: Standin, german: Price) -> None:
        customer = seen_from("", standin, CARDS["DE"], country="DE")
        buy(customer, german)
        with at(BEGIN + DAY):
            customer.save_card(CARDS["GB"])
        assert evidence()[1:] == [("card", "DE", "GB", "", "", "")]
        assert Subscription.objects.get().moves_at is None
        assert not OutgoingEmail.objects.filter(template__contains="country").exists()

    def test_changes_the_tax_alone_where_the_same_price_is_asked(self, standin: Standin) -> None:
        everywhere = PriceFactory.create(currency="USD", amount=1549)
        customer = seen_from("", standin, CARDS["DE"], country="DE")
        buy(customer, everywhere)
        move(customer, BEGIN + DAY)
        assert run(FEBRUARY) == ["succeeded"]
        taxes = [line.tax for each in Invoice.objects.order_by("pk") for line in each.lines.all()]
        assert taxes == [247, 258]
        assert TaxRate.objects.on(date(2026, 2, 17)).get(country="GB").rate * 100 == 20

    def test_is_decided_by_the_event_of_the_account(self, standin: Standin, german: Price) -> None:
        customer = seen_from("", standin, CARDS["DE"], country="DE")
        buy(customer, german)
        with at(BEGIN + DAY):
            customer.http.patch("/api/v1/account", {"country": "GB"}, format="json")
        assert OutboxEvent.objects.filter(type__endswith="AccountCountryChanged").count() == 1


class TestStaff:
    def test_sees_the_evidence(self, standin: Standin, german: Price, client: Client) -> None:
        buy(seen_from("", standin, CARDS["DE"], country="DE"), german)
        client.force_login(StaffFactory.create(is_superuser=True))
        page = client.get(f"/admin/billing/subscription/{Subscription.objects.get().pk}/change/")
        assert page.status_code == 200
        assert "Tax country, by evidence" in page.content.decode()
