"""Changing plans, coupons, and invoices that explain themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection

from accounts.models import OutgoingEmail
from accounts.services import mails
from billing import stripe_gateway
from billing.gateway import ChargeOutcome, OutcomeKind
from billing.models import (
    Coupon,
    CreditGrant,
    Invoice,
    JournalEntry,
    JournalLine,
    PaymentAttempt,
    Plan,
    Price,
    RevenueSchedule,
    Subscription,
)
from billing.services import crediting, renewals, settlement
from tests.billing.customers import Customer
from tests.factories.billing import PlanFactory, PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db

APRIL = datetime(2026, 4, 1, 12, tzinfo=UTC)
HALF = datetime(2026, 4, 16, 12, tzinfo=UTC)


def priced(plan: Plan, amount: int, **fields: Any) -> Price:
    return PriceFactory.create(plan=plan, amount=amount, **fields)


@pytest.fixture
def prices() -> list[Price]:
    """Answer 15.49 and 22.99, of a lower and a higher plan."""
    return [priced(PlanFactory.create(name="Standard"), 1549), priced(PlanFactory.create(name="Premium"), 2299)]


def subscribed(standin: Standin, price: Price, **fields: Any) -> Customer:
    customer = Customer(standin)
    with time_machine.travel(APRIL, tick=False):
        customer.save_card()
        bought = customer.subscribe(price, **({"time_zone": "UTC"} | fields))
    assert bought.status_code == 201, bought.content
    customer.sign_in()
    return customer


def upgrade(customer: Customer, price: Price, *, at: datetime = HALF) -> Any:
    with time_machine.travel(at, tick=False):
        quote = customer.post("subscription/quotes", {"price": str(price.pk)})
        assert quote.status_code == 201, quote.content
        answer = customer.post(f"subscription/quotes/{quote.json()['id']}/accept", key=str(uuid4()))
    customer.sign_in()
    return answer


@pytest.mark.rule("4.4")
class TestUpgrade:
    @pytest.mark.parametrize("at", [APRIL, HALF])
    def test_to_what_costs_the_same_changes_the_plan_and_books_nothing(self, standin: Standin, at: datetime) -> None:
        low, high = (priced(PlanFactory.create(), 1549) for _ in range(2))
        customer = subscribed(standin, low)
        entries = JournalEntry.objects.count()
        answer = upgrade(customer, high, at=at)
        assert (answer.status_code, answer.json()["subscription"]["price"]["id"]) == (200, str(high.pk)), answer.json()
        # What the database checks at the end of a transaction.
        connection.check_constraints()
        change = Invoice.objects.get(kind="change")
        amounts = list(change.lines.order_by("position").values_list("amount", flat=True))
        assert (change.status, change.total, len(amounts), sum(amounts)) == ("paid", 0, 2, 0)
        assert min(amounts) < 0
        assert JournalEntry.objects.count() == entries

    def test_charges_what_was_quoted_and_changes_the_plan_at_once(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[0])
        with time_machine.travel(HALF, tick=False):
            quote = customer.post("subscription/quotes", {"price": str(prices[1].pk)}).json()
        assert (quote["total"], [line["amount"] for line in quote["lines"]]) == (375, [-775, 1150])
        # A price that changes after the quote changes nothing of it.
        with time_machine.travel(HALF + timedelta(minutes=29), tick=False):
            answer = customer.post(f"subscription/quotes/{quote['id']}/accept", key="k1")
        assert (answer.status_code, answer.json()["payment"]["status"]) == (200, "succeeded")
        assert sorted(charge["amount"] for charge in standin.control.charges()) == [375, 1549]
        assert Subscription.objects.get().price == prices[1]
        assert customer.get("subscription").json()["paid_through"] == "2026-05-01T12:00:00Z"

    def test_is_charged_once_a_quote(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[0])
        with time_machine.travel(HALF, tick=False):
            quote = customer.post("subscription/quotes", {"price": str(prices[1].pk)}).json()
            for key in ("k1", "k2"):
                again = customer.post(f"subscription/quotes/{quote['id']}/accept", key=key)
                assert again.json()["payment"]["status"] == "succeeded"
        assert len(standin.control.charges()) == 2

    def test_that_is_declined_leaves_everything_as_it_was(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[0])
        with time_machine.travel(APRIL + timedelta(days=1), tick=False):
            customer.save_card("4000000000000341")
        refused = upgrade(customer, prices[1])
        assert (refused.status_code, refused.json()["code"]) == (402, "payment_failed")
        assert Invoice.objects.get(kind="change").status == "void"
        assert customer.get("subscription").json()["status"] == "active"
        assert Subscription.objects.get().price == prices[0]
        assert sum(JournalLine.objects.filter(account="receivable:user").values_list("amount", flat=True)) == 0

    def test_that_waits_for_the_bank_gives_nothing_yet(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[0])
        with time_machine.travel(APRIL + timedelta(days=1), tick=False):
            customer.save_card("4000002760003184")
        waiting = upgrade(customer, prices[1])
        assert waiting.json()["payment"]["status"] == "requires_action"
        assert customer.get("subscription").json()["status"] == "active"
        assert Subscription.objects.get().price == prices[0]

    @pytest.mark.parametrize("status", ["canceled", "paused"])
    def test_confirmed_when_nothing_is_left_to_change_becomes_credit(
        self, standin: Standin, prices: list[Price], status: str
    ) -> None:
        customer = subscribed(standin, prices[0])
        with time_machine.travel(APRIL + timedelta(days=1), tick=False):
            customer.save_card("4000002760003184")
        late = datetime(2026, 5, 1, 12, tzinfo=UTC)
        asked = late - timedelta(hours=20)
        # A day of 89.99 is enough to be charged.
        top = priced(PlanFactory.create(), 8999)
        assert upgrade(customer, top, at=asked).json()["payment"]["status"] == "requires_action"
        with time_machine.travel(asked, tick=False):
            step = "subscription/cancel" if status == "canceled" else "subscription/pause"
            assert customer.post(step, {} if status == "canceled" else {"months": 1}).status_code == 200
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: late, limit=9)
        attempt = PaymentAttempt.objects.select_related("invoice").get(invoice__kind="change")
        confirmed = ChargeOutcome(OutcomeKind.SUCCEEDED, attempt.gateway_id)
        settlement.settle({attempt.pk: confirmed}, now=late)
        subscription, invoice = Subscription.objects.get(), Invoice.objects.get(kind="change")
        assert (subscription.status, subscription.price, invoice.status) == (status, prices[0], "void")
        granted = CreditGrant.objects.get()
        assert (granted.kind, granted.remaining) == ("overpaid", invoice.total)
        mail = OutgoingEmail.objects.get(template="billing/email/paid_late")
        assert f"for invoice {invoice.number}, which did not have to be paid any more" in mails.render(mail).body
        mail.language = "de"
        assert mails.render(mail).subject == "Ihre Zahlung ist jetzt Ihr Guthaben"
        # Told again, it is one credit and one mail.
        settlement.settle({attempt.pk: confirmed}, now=late)
        assert OutgoingEmail.objects.filter(template="billing/email/paid_late").count() == 1
        assert sum(JournalLine.objects.filter(account="receivable:user").values_list("amount", flat=True)) == 0

    def test_quote_does_not_hold_for_ever(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[0])
        with time_machine.travel(HALF, tick=False):
            quote = customer.post("subscription/quotes", {"price": str(prices[1].pk)}).json()
        with time_machine.travel(HALF + timedelta(minutes=30), tick=False):
            refused = customer.post(f"subscription/quotes/{quote['id']}/accept", key="k1")
        assert (refused.status_code, refused.json()["code"]) == (409, "quote_expired")
        assert len(standin.control.charges()) == 1

    def test_of_another_account_is_not_found(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[0])
        with time_machine.travel(HALF, tick=False):
            quote = customer.post("subscription/quotes", {"price": str(prices[1].pk)}).json()
            stranger = Customer(standin).post(f"subscription/quotes/{quote['id']}/accept", key="k1")
        assert stranger.json()["code"] == "quote_not_found"

    def test_twice_in_a_period_credits_what_still_runs(self, standin: Standin, prices: list[Price]) -> None:
        top = priced(PlanFactory.create(), 3000)
        customer = subscribed(standin, prices[0])
        upgrade(customer, prices[1])
        upgrade(customer, top, at=HALF + timedelta(days=5))
        # 1150 for 15 days, 10 of them left: 767; 3000 for 10 of 30: 1000.
        assert list(Invoice.objects.order_by("pk").values_list("total", flat=True)) == [1549, 375, 233]

    def test_twice_on_the_last_day_costs_nothing(self, standin: Standin, prices: list[Price]) -> None:
        top = priced(PlanFactory.create(name="Top"), 3000)
        customer = subscribed(standin, prices[0])
        for price in (prices[1], top):
            answer = upgrade(customer, price, at=datetime(2026, 5, 1, 9, tzinfo=UTC))
            assert (answer.status_code, answer.json()["payment"]["status"]) == (200, "succeeded")
        assert list(Invoice.objects.order_by("pk").values_list("total", flat=True)) == [1549, 0, 0]
        assert Subscription.objects.get().price == top

    @pytest.mark.story("renewal at the old plan's price")
    def test_and_renewal_bill_the_new_price(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[0])
        upgrade(customer, prices[1])
        end = datetime(2026, 5, 1, 12, tzinfo=UTC)
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: end, limit=9)
        assert Invoice.objects.latest("pk").total == 2299
        assert customer.get("subscription").json()["status"] == "active"

    def test_moves_what_is_earned_with_it(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[0])
        upgrade(customer, prices[1])
        assert sorted(RevenueSchedule.objects.values_list("amount", flat=True)) == [-775, 1150, 1549]


@pytest.mark.rule("4.5")
class TestDowngrade:
    def test_bills_the_lower_price_from_the_next_period(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[1])
        answer = None
        with time_machine.travel(HALF, tick=False):
            answer = customer.post("subscription/downgrade", {"price": str(prices[0].pk)})
        assert answer.status_code == 200
        assert Subscription.objects.get().price == prices[1]
        end = datetime(2026, 5, 1, 12, tzinfo=UTC)
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: end, limit=9)
        subscription = Subscription.objects.get()
        assert (subscription.price, subscription.pending_price) == (prices[0], None)
        assert [invoice.total for invoice in Invoice.objects.order_by("pk")] == [2299, 1549]

    def test_is_taken_back_by_the_present_price(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[1])
        with time_machine.travel(HALF, tick=False):
            for price in (prices[0], prices[1]):
                customer.post("subscription/downgrade", {"price": str(price.pk)})
        assert Subscription.objects.get().pending_price is None

    @pytest.mark.parametrize(
        ("language", "subjects", "says"),
        [
            (
                "en",
                ["Your plan is going to change", "Your plan stays as it is"],
                [
                    "From May 1, 2026 on you have Standard, billed every month, and it costs $15.49.",
                    "keep Premium. On May 1, 2026 the next period begins, and it costs $22.99.",
                ],
            ),
            (
                "de",
                ["Ihr Tarif wird sich ändern", "Ihr Tarif bleibt, wie er ist"],
                [
                    "Ab dem 01.05.2026 haben Sie Standard mit monatlicher Abrechnung für 15,49\xa0$.",
                    "behalten Premium. Am 01.05.2026 beginnt der nächste Zeitraum; er kostet 22,99\xa0$.",
                ],
            ),
        ],
    )
    def test_and_taking_it_back_are_each_confirmed_once(
        self, standin: Standin, prices: list[Price], language: str, subjects: list[str], says: list[str]
    ) -> None:
        customer = subscribed(standin, prices[1])
        type(customer.account).objects.update(language=language)
        with time_machine.travel(HALF, tick=False):
            for price in (prices[0], prices[0], prices[1], prices[1]):
                customer.post("subscription/downgrade", {"price": str(price.pk)})
        written = [mails.render(row) for row in OutgoingEmail.objects.order_by("pk")]
        assert [mail.subject for mail in written] == subjects
        for mail, said in zip(written, says, strict=True):
            assert said in mail.body

    def test_confirms_what_credit_leaves_to_be_charged(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[1])
        with time_machine.travel(HALF, tick=False):
            crediting.request_goodwill(
                account_id=customer.account.pk, amount=500, currency="USD", reason="sorry", by="staff:1", now=HALF
            )
            customer.post("subscription/downgrade", {"price": str(prices[0].pk)})
        body = mails.render(OutgoingEmail.objects.get(template="billing/email/plan_changes")).body
        assert "it costs $15.49." in body
        assert "so $10.49 is charged then. Until then you have Premium" in body

    def test_is_no_upgrade(self, standin: Standin, prices: list[Price]) -> None:
        customer = subscribed(standin, prices[0])
        with time_machine.travel(HALF, tick=False):
            refused = customer.post("subscription/downgrade", {"price": str(prices[1].pk)})
        assert refused.json()["code"] == "change_not_possible"


@pytest.mark.rule("4.8")
class TestCoupon:
    def test_halves_three_periods_and_no_more(self, standin: Standin, prices: list[Price]) -> None:
        Coupon.objects.create(code="HALF", percent=50, periods=3)
        subscribed(standin, prices[0], coupon="half", quoted_amount=774)
        for month in (5, 6, 7):
            due = datetime(2026, month, 1, 12, tzinfo=UTC)
            renewals.run(gateway=stripe_gateway.connect(), clock=lambda due=due: due, limit=9)  # type: ignore[misc]
        assert [charge["amount"] for charge in sorted(standin.control.charges(), key=lambda c: c["amount"])] == [
            774,
            774,
            774,
            1549,
        ]
        assert Invoice.objects.earliest("pk").lines.get().discount == 775

    @pytest.mark.rule("4.4")
    def test_paid_half_is_credited_half(self, standin: Standin, prices: list[Price]) -> None:
        Coupon.objects.create(code="HALF", percent=50, periods=1)
        customer = subscribed(standin, prices[0], coupon="HALF", quoted_amount=774)
        upgrade(customer, prices[1])
        lines = Invoice.objects.latest("pk").lines.order_by("position")
        assert list(lines.values_list("amount", "discount")) == [(-387, 0), (575, 575)]

    @pytest.mark.rule("4.4")
    def test_that_is_over_makes_the_rest_of_the_period_no_cheaper(self, standin: Standin, prices: list[Price]) -> None:
        Coupon.objects.create(code="HALF", percent=50, periods=1)
        customer = subscribed(standin, prices[0], coupon="HALF", quoted_amount=774)
        may = datetime(2026, 5, 1, 12, tzinfo=UTC)
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: may, limit=9)
        upgrade(customer, prices[1], at=may + timedelta(days=15))
        lines = Invoice.objects.latest("pk").lines.order_by("position")
        assert list(lines.values_list("amount", "discount")) == [(-799, 0), (1187, 0)]

    @pytest.mark.parametrize(
        ("fields", "why"),
        [
            ({"percent": 50, "max_redemptions": 1, "redemptions": 1}, "This coupon has been used up: it was for a limited number of customers."),
            ({"percent": 50, "valid_until": APRIL}, "This coupon has expired."),
            ({"amount": 100, "currency": "EUR"}, "This coupon is for prices in another currency."),
            ({"percent": 50, "code": "OTHER"}, "There is no such coupon. Look again how it is written."),
        ],
    )  # fmt: skip
    def test_that_does_not_hold_is_refused_with_the_reason_and_nothing_is_sold(
        self, standin: Standin, prices: list[Price], fields: dict[str, Any], why: str
    ) -> None:
        Coupon.objects.create(**({"code": "HALF"} | fields))
        customer = Customer(standin)
        with time_machine.travel(APRIL, tick=False):
            customer.save_card()
            refused = customer.subscribe(prices[0], coupon="HALF", quoted_amount=774)
        assert (refused.status_code, refused.json()["code"]) == (409, "coupon_not_valid")
        assert refused.json()["detail"] == why
        assert (Subscription.objects.count(), PaymentAttempt.objects.count()) == (0, 0)


class TestExplain:
    def test_says_in_order_why_each_amount_is_what_it_is(self, standin: Standin) -> None:
        Coupon.objects.create(code="HALF", percent=50, periods=1)
        lower = priced(PlanFactory.create(name="Standard"), 1399, currency="EUR", country="DE")
        higher = priced(PlanFactory.create(name="Premium"), 1999, currency="EUR", country="DE")
        customer = Customer(standin, country="DE")
        with time_machine.travel(APRIL, tick=False):
            customer.save_card()
            bought = customer.subscribe(lower, time_zone="UTC", coupon="HALF", quoted_amount=699)
        assert bought.status_code == 201, bought.content
        upgrade(customer, higher)
        second, first = Invoice.objects.order_by("-pk")
        told = customer.get(f"invoices/{first.pk}/explain").json()
        assert [(step["code"], step["amount"]) for step in told["lines"][0]["reasons"]] == [
            ("list_price", 1399),
            ("discount", -700),
            ("tax", 112),
        ]
        told = customer.get(f"invoices/{second.pk}/explain").json()
        assert [[(step["code"], step["amount"]) for step in line["reasons"]] for line in told["lines"]] == [
            [("unused_days", -350), ("tax", -56)],
            [("remaining_days", 1000), ("discount", -500), ("tax", 80)],
        ]
        assert sum(line["amount"] for line in told["lines"]) == told["total"] == 150
        assert [step["code"] for step in told["history"]] == ["finalised", "paid"]

    def test_is_for_its_account_alone(self, standin: Standin, prices: list[Price]) -> None:
        subscribed(standin, prices[0])
        assert Customer(standin).get(f"invoices/{Invoice.objects.get().pk}/explain").status_code == 404
