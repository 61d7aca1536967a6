"""Acts that each are right, in an order that nobody plans: what was shown is charged, and nothing is paid for twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from billing import stripe_gateway
from billing.gateway import ChargeOutcome, DisputeState, OutcomeKind
from billing.models import (
    Coupon,
    CouponRedemption,
    CreditGrant,
    Invoice,
    JournalLine,
    PaymentAttempt,
    Price,
    Subscription,
)
from billing.rules import Interval
from billing.services import disputes, notices, payments, plans, refunds, settlement
from billing.services.plans import Terms
from tests.billing.customers import Customer
from tests.billing.test_changes import HALF, priced, subscribed, upgrade
from tests.billing.test_lifecycle import BEGIN, at, buy, run, signed_up
from tests.factories.billing import PlanFactory, PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db

ASKS, GOOD, POOR = "4000002760003184", "4242424242424242", "4000000000000341"
MAY = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def ladder() -> list[Price]:
    """Answer the monthly prices of three plans and the yearly one of the second."""
    one, two, three = (
        PlanFactory.create(name=name, tier=tier) for tier, name in enumerate(("One", "Two", "Three"), 1001)
    )
    return [
        priced(one, 1549),
        priced(two, 2299),
        priced(three, 8999),
        priced(two, 22990, interval="year"),
    ]


def waiting(standin: Standin, ladder: list[Price], wanted: Price, *, when: datetime = HALF) -> Customer:
    """Answer a subscriber of the lowest plan whose bank asks about the change to another."""
    customer = subscribed(standin, ladder[0])
    with at(when - timedelta(hours=1)):
        customer.save_card(ASKS)
    assert upgrade(customer, wanted, at=when).json()["payment"]["status"] == "requires_action"
    return customer


def confirm(when: datetime) -> None:
    """Let the first change that was asked about be paid, whatever we think of it."""
    attempt = PaymentAttempt.objects.filter(invoice__kind="change").earliest("pk")
    settlement.settle({attempt.pk: ChargeOutcome(OutcomeKind.SUCCEEDED, attempt.gateway_id)}, now=when)


def owed() -> int:
    return sum(JournalLine.objects.filter(account="receivable:user").values_list("amount", flat=True))


@pytest.mark.rule("4.4", "4.15")
class TestWaitingChange:
    def test_gives_way_to_another_one(self, standin: Standin, ladder: list[Price]) -> None:
        customer = waiting(standin, ladder, ladder[2])
        with at(HALF + timedelta(minutes=5)):
            customer.save_card(GOOD)
        answer = upgrade(customer, ladder[1], at=HALF + timedelta(minutes=6))
        assert (answer.status_code, answer.json()["payment"]["status"]) == (200, "succeeded")
        assert Subscription.objects.get().price == ladder[1]
        changes = Invoice.objects.filter(kind="change").order_by("pk").values_list("status", "total")
        assert list(changes) == [("void", 3725), ("paid", 375)]
        assert PaymentAttempt.objects.filter(state="canceled").count() == 1
        assert owed() == 0

    def test_is_the_same_one_when_it_is_accepted_again(self, standin: Standin, ladder: list[Price]) -> None:
        customer = waiting(standin, ladder, ladder[2])
        quote = Invoice.objects.get(kind="change").quote
        with at(HALF + timedelta(hours=2)):
            again = customer.post(f"subscription/quotes/{quote.pk}/accept", key=str(uuid4()))
        assert again.json()["payment"]["status"] == "requires_action"
        assert again.json()["payment"]["client_secret"]
        assert Invoice.objects.filter(kind="change").count() == 1

    @pytest.mark.parametrize("act", ["cancel", "downgrade"])
    def test_gives_way_to_what_is_wanted_instead(self, standin: Standin, ladder: list[Price], act: str) -> None:
        customer = waiting(standin, ladder, ladder[3])
        below = priced(PlanFactory.create(name="None", tier=1000), 999)
        with at(HALF + timedelta(hours=1)):
            said = {"cancel": {}, "downgrade": {"price": str(below.pk)}}[act]
            assert customer.post(f"subscription/{act}", said).status_code == 200
        assert Invoice.objects.get(kind="change").status == "void"
        payments.sweep(gateway=stripe_gateway.connect(), now=HALF + timedelta(hours=1))
        assert PaymentAttempt.objects.get(invoice__kind="change").state == "canceled"
        subscription = Subscription.objects.get()
        assert subscription.price == ladder[0]
        assert (subscription.cancel_at, subscription.pending_price) == {
            "cancel": (MAY, None),
            "downgrade": (None, below),
        }[act]
        assert owed() == 0

    @pytest.mark.parametrize("wanted", [2, 3])
    def test_confirmed_after_the_next_period_began_becomes_credit_and_billing_goes_on(
        self, standin: Standin, ladder: list[Price], wanted: int
    ) -> None:
        customer = waiting(standin, ladder, ladder[wanted], when=MAY - timedelta(hours=20))
        with at(MAY - timedelta(hours=1)):
            customer.save_card(GOOD)
        assert run(MAY) == ["succeeded"]
        confirm(MAY + timedelta(hours=1))
        subscription = Subscription.objects.get()
        assert (subscription.price, subscription.parked_reason) == (ladder[0], "")
        change = Invoice.objects.get(kind="change")
        assert change.status == "void"
        assert list(CreditGrant.objects.values_list("kind", "remaining")) == [("overpaid", change.total)]
        assert owed() == 0
        assert run(datetime(2026, 6, 1, 12, tzinfo=UTC)) == ["succeeded"]

    def test_is_withdrawn_when_the_next_period_begins(self, standin: Standin, ladder: list[Price]) -> None:
        customer = waiting(standin, ladder, ladder[2], when=MAY - timedelta(hours=20))
        with at(MAY - timedelta(hours=1)):
            customer.save_card(GOOD)
        run(MAY)
        payments.sweep(gateway=stripe_gateway.connect(), now=MAY + timedelta(minutes=2))
        assert PaymentAttempt.objects.get(invoice__kind="change").state == "canceled"
        assert Invoice.objects.get(kind="change").status == "void"


@pytest.mark.rule("4.15", "4.16")
class TestWaitingPurchase:
    def test_gives_way_to_another_one(self, standin: Standin) -> None:
        customer, price = signed_up(standin, ASKS), PriceFactory.create()
        with at(BEGIN):
            assert customer.subscribe(price).json()["payment"]["status"] == "requires_action"
            customer.save_card(GOOD)
            bought = customer.subscribe(price)
        assert (bought.status_code, bought.json()["payment"]["status"]) == (201, "succeeded")
        assert list(Subscription.objects.order_by("pk").values_list("status", flat=True)) == ["ended", "active"]
        assert [charge["amount"] for charge in standin.control.charges()] == [1549]

    def test_that_was_confirmed_meanwhile_stays(self, standin: Standin) -> None:
        customer, price = signed_up(standin, ASKS), PriceFactory.create()
        with at(BEGIN):
            secret = customer.subscribe(price).json()["payment"]["client_secret"]
            standin.confirm_payment(secret, ASKS)
            standin.control.authenticate("payment_intent", secret.split("_secret_")[0])
            customer.save_card(GOOD)
            refused = customer.subscribe(price)
        assert (refused.status_code, refused.json()["code"]) == (409, "already_subscribed")
        assert Subscription.objects.get().status == "active"
        assert len(standin.control.charges()) == 1


@pytest.mark.rule("4.5")
def test_a_year_that_is_paid_while_it_is_cancelled_is_delivered(standin: Standin, ladder: list[Price]) -> None:
    customer = waiting(standin, ladder, ladder[3])
    # Cancelled in the very moment in which the bank is answered.
    Subscription.objects.update(cancel_at=MAY, next_bill_at=MAY)
    confirm(HALF + timedelta(minutes=1))
    subscription = Subscription.objects.get()
    assert subscription.price == ladder[3]
    assert subscription.cancel_at == subscription.paid_through == subscription.next_bill_at
    assert subscription.paid_through == datetime(2027, 4, 16, 12, tzinfo=UTC)
    with at(MAY + timedelta(days=1)):
        assert customer.get("entitlement").json()["access"] == "subscribed"


@pytest.mark.rule("4.4", "4.12")
class TestCreditCap:
    def test_counts_what_was_given_back_of_the_period_before_it_was_changed(
        self, standin: Standin, ladder: list[Price]
    ) -> None:
        customer = subscribed(standin, ladder[0])
        assert upgrade(customer, ladder[1]).status_code == 200
        first = Invoice.objects.get(kind="period")
        refunds.request(invoice_id=first.pk, amount=1549, reason="asked", by="staff:1", now=HALF)
        with at(HALF + timedelta(days=1)):
            customer.sign_in()
            quote = customer.post("subscription/quotes", {"price": str(ladder[2].pk)}).json()
        # Of 15.49 and 3.75 the customer has had 15.49 back.
        assert [line["amount"] for line in quote["lines"]] == [-375, 4200]

    def test_counts_nothing_where_nothing_was_given_back(self, standin: Standin, ladder: list[Price]) -> None:
        customer = subscribed(standin, ladder[0])
        assert upgrade(customer, ladder[1]).status_code == 200
        with at(HALF + timedelta(days=1)):
            customer.sign_in()
            quote = customer.post("subscription/quotes", {"price": str(ladder[2].pk)}).json()
        # 14 of the 15 days that 11.50 paid for.
        assert [line["amount"] for line in quote["lines"]] == [-1073, 4200]


@pytest.mark.rule("4.8")
class TestCoupon:
    def test_of_a_first_payment_that_was_declined_can_be_used_again(self, standin: Standin) -> None:
        coupon = Coupon.objects.create(code="HALF", percent=50, periods=1, max_redemptions=1)
        price = PriceFactory.create()
        customer = signed_up(standin, POOR)
        with at(BEGIN):
            refused = customer.subscribe(price, coupon="HALF", quoted_amount=774)
        assert (refused.status_code, refused.json()["code"]) == (402, "payment_failed")
        coupon.refresh_from_db()
        assert (coupon.redemptions, CouponRedemption.objects.count()) == (0, 0)
        with at(BEGIN + timedelta(minutes=2)):
            customer.save_card(GOOD)
            assert customer.subscribe(price, coupon="HALF", quoted_amount=774).status_code == 201
        coupon.refresh_from_db()
        assert coupon.redemptions == 1
        assert [charge["amount"] for charge in standin.control.charges()] == [774]


@pytest.mark.rule("4.6", "4.10")
class TestResumption:
    def test_costs_what_it_is_offered_for_though_a_new_price_comes_later(self, standin: Standin) -> None:
        customer, price = signed_up(standin), PriceFactory.create()
        buy(customer, price)
        with at(BEGIN + timedelta(days=3)):
            customer.post("subscription/pause", {"months": 3})
        paused = datetime(2026, 2, 17, 20, 30, tzinfo=UTC)
        assert run(paused) == ["pause"]
        plans.set_price(
            plan_id=price.plan_id, currency="USD", country="", interval=Interval.MONTH, amount=1999,
            tax_behavior=Price.TaxBehavior.INCLUSIVE, now=paused,
            terms=Terms(applies_to_existing_from=date(2026, 4, 1)),
        )  # fmt: skip
        assert notices.announce_prices(now=paused + timedelta(days=14), limit=9) == 1
        with at(paused + timedelta(days=15)):
            assert customer.get("subscription").json()["next_bill"]["amount"] == 1999
            offer = customer.get("subscription/reactivate").json()
            assert offer["amount"] == 1549
            resumed = customer.post("subscription/resume", {"quoted_amount": offer["amount"]}, key=str(uuid4()))
        assert (resumed.status_code, resumed.json()["subscription"]["status"]) == (200, "active")
        assert Invoice.objects.latest("pk").total == 1549


@pytest.mark.rule("4.13", "4.22")
class TestParked:
    def dispute(self, customer: Customer) -> None:
        paid = PaymentAttempt.objects.get(invoice__account=customer.account)
        disputes.record(
            found=DisputeState("dp_1", paid.gateway_id, 1549, "USD", "fraudulent", "needs_response"), now=HALF
        )

    def test_is_charged_for_no_change(self, standin: Standin, ladder: list[Price]) -> None:
        customer = subscribed(standin, ladder[0])
        with at(HALF):
            quote = customer.post("subscription/quotes", {"price": str(ladder[1].pk)}).json()
            self.dispute(customer)
            for path, said in (
                (f"subscription/quotes/{quote['id']}/accept", None),
                ("subscription/quotes", {"price": str(ladder[1].pk)}),
            ):
                refused = customer.post(path, said, key=str(uuid4()))
                assert (refused.status_code, refused.json()["code"]) == (409, "under_review")
        assert Invoice.objects.count() == 1
        assert len(standin.control.charges()) == 1

    def test_can_be_cancelled_all_the_same(self, standin: Standin, ladder: list[Price]) -> None:
        customer = subscribed(standin, ladder[0])
        self.dispute(customer)
        with at(HALF):
            assert customer.post("subscription/cancel").json()["cancel_at"] == "2026-05-01T12:00:00Z"
