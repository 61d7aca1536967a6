"""What billing tells of a person, and what it forgets."""

from __future__ import annotations

import pytest

from billing import personal_data
from billing.models import CardSetup, Invoice, PaymentMethod, Subscription
from core import personal_data as walk
from core.clock import now
from tests.billing.customers import Customer
from tests.erasures import Tally
from tests.factories.billing import PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer(standin: Standin) -> Customer:
    customer = Customer(standin)
    customer.save_card()
    assert customer.subscribe(PriceFactory.create()).status_code == 201
    return customer


class TestExport:
    def test_tells_of_subscription_invoices_and_cards_of_this_account_alone(self, customer: Customer) -> None:
        told = {
            stream.name: list(stream.records)
            for app, stream in walk.export(account_id=customer.account.pk)
            if app == "billing"
        }
        assert {name: len(rows) for name, rows in told.items()} == {
            "subscriptions": 1,
            "invoices": 1,
            "gifts": 0,
            "credit": 0,
            "payment_methods": 1,
            "consents": 0,
            "cancellations": 0,
            "billing_details": 0,
            "tax_places": 1,
        }
        assert told["payment_methods"] == [{"brand": "visa", "last4": "4242", "expires": "2034-12"}]
        assert told["invoices"][0]["total"] == 1549
        stranger = Customer(customer.standin).account
        assert [list(stream.records) for stream in personal_data.export(account_id=stranger.pk)] == [[]] * len(told)


class TestErase:
    def test_leaves_nothing_that_tells_cards_apart_and_keeps_invoices(self, customer: Customer) -> None:
        tally = Tally()
        for _ in range(2):
            personal_data.erase(account_id=customer.account.pk, now=now(), tally=tally)
        assert tally == {"billing.PaymentCustomer": 1, "billing.PaymentMethod": 1, "billing.CardSetup": 1}
        assert Subscription.objects.get().status == "canceled"
        card = PaymentMethod.objects.get()
        assert (card.brand, card.last4, card.exp_year, card.fingerprint, card.is_default) == ("", "", 0, "", False)
        assert CardSetup.objects.count() == 0
        assert Invoice.objects.get().total == 1549
