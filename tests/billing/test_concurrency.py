"""Two at once, with two real connections and the stand-in's own books."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from billing import stripe_gateway
from billing.gateway import ChargeOutcome, OutcomeKind
from billing.models import (
    CardSetup,
    Coupon,
    CouponRedemption,
    Invoice,
    PaymentAttempt,
    PaymentMethod,
    Subscription,
)
from billing.services import invoicing, payments, renewals, settlement
from core.clock import now
from tests.billing.customers import Customer
from tests.billing.locks import first_locks, in_order
from tests.billing.threads import apart, at_once, await_waiting
from tests.factories.accounts import AccountFactory
from tests.factories.billing import NOW, PaymentMethodFactory, PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.rule("4.16")
class TestSubscribe:
    def test_makes_one_subscription_and_one_charge_when_asked_twice_at_once(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        standin.control.fault("latency", seconds=0.3, path="/v1/payment_intents", times=0)

        def buy() -> int:
            return int(Customer(standin, customer.account).subscribe(price, key=str(uuid4())).status_code)

        assert sorted(at_once(buy, buy, buy)) == [201, 409, 409]
        assert Subscription.objects.count() == 1
        assert len(standin.control.charges()) == 1
        assert list(Invoice.objects.values_list("sequence", flat=True)) == [1]

    def test_makes_one_charge_when_one_request_comes_twice_at_once(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        standin.control.fault("latency", seconds=0.3, path="/v1/payment_intents", times=0)

        def buy() -> int:
            return int(Customer(standin, customer.account).subscribe(price, key="k1").status_code)

        assert set(at_once(buy, buy)) <= {201, 409}
        assert Subscription.objects.get().status == "active"
        assert len(standin.control.charges()) == 1

    @pytest.mark.rule("4.19")
    @pytest.mark.story("invoice number given twice")
    def test_leaves_no_gap_between_the_numbers_of_many(self, standin: Standin) -> None:
        price = PriceFactory.create()
        customers = [Customer(standin) for _ in range(6)]
        for number, customer in enumerate(customers):
            customer.save_card("4000000000000341" if number % 3 == 0 else "4242424242424242")
        at_once(*[lambda customer=customer: customer.subscribe(price) for customer in customers])
        assert list(Invoice.objects.order_by("sequence").values_list("sequence", flat=True)) == [1, 2, 3, 4, 5, 6]
        assert len(standin.control.charges()) == 4


class TestSaveCard:
    def test_leaves_one_default_when_two_are_saved_at_once(self, standin: Standin) -> None:
        customer = Customer(standin)
        setups = [customer.post("payment-methods/setup", key=str(uuid4())).json() for _ in range(2)]
        for setup in setups:
            standin.confirm_setup(setup["client_secret"])

        def register(intent: str) -> int:
            mine = Customer(standin, customer.account)
            return int(mine.post("payment-methods", {"setup_intent": intent}).status_code)

        codes = at_once(*[lambda intent=setup["setup_intent"]: register(intent) for setup in setups * 2])
        assert codes == [201] * 4
        assert PaymentMethod.objects.count() == 2
        assert PaymentMethod.objects.filter(is_default=True).count() == 1

    def test_makes_one_customer_at_stripe(self, standin: Standin) -> None:
        customer = Customer(standin)

        def setup() -> int:
            mine = Customer(standin, customer.account)
            return int(mine.post("payment-methods/setup", key=str(uuid4())).status_code)

        assert set(at_once(setup, setup, setup)) <= {201, 503}
        gateway = stripe_gateway.connect()
        found = [gateway.setup_intent(each.gateway_id) for each in CardSetup.objects.exclude(gateway_id="")]
        assert len({intent.customer for intent in found if intent}) == 1


@pytest.mark.rule("4.17")
class TestSettle:
    def test_takes_effect_once_when_sweepers_and_the_request_meet(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        standin.control.fault("lost_reply", path="/v1/payment_intents")
        customer.subscribe(price)
        later = now() + timedelta(seconds=61)

        def sweep() -> None:
            payments.sweep(gateway=stripe_gateway.connect(), now=later)

        at_once(sweep, sweep, sweep)
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.period_index) == ("active", 1)
        assert subscription.transitions.filter(to_status="active").count() == 1
        assert len(standin.control.charges()) == 1


@pytest.mark.rule("4.20")
class TestLocks:
    @staticmethod
    def declined(coupon: Coupon, account: User) -> PaymentAttempt:
        """Make a first payment with a coupon, about to be declined."""
        subscription = Subscription.objects.create(
            account=account, price=PriceFactory.create(), status="incomplete", billing_tz="UTC",
            anchor_date=NOW.date(), anchor_time=NOW.time(), created_at=NOW,
        )  # fmt: skip
        CouponRedemption.objects.create(coupon=coupon, account=account, subscription=subscription, redeemed_at=NOW)
        card = PaymentMethodFactory.create(account=account)
        charge = invoicing.Charge(
            subscription=subscription, price=subscription.price, start=NOW, end=NOW + timedelta(days=28), card=card,
            customer="cus_1", off_session=False,
        )  # fmt: skip
        with transaction.atomic():
            (billed,) = invoicing.bill([charge], now=NOW)
        assert billed.attempt is not None
        payments.mark_sent([billed.attempt.pk], now=NOW)
        return billed.attempt

    def test_of_coupons_are_taken_in_one_order_by_settlements_that_meet(self) -> None:
        some, other = (Coupon.objects.create(code=code, percent=50, periods=1, redemptions=2) for code in "AB")
        attempts = [self.declined(coupon, AccountFactory.create()) for coupon in (some, other, other, some)]
        declined = ChargeOutcome(OutcomeKind.DECLINED, code="do_not_honor")

        def settle(pair: list[PaymentAttempt]) -> None:
            settlement.settle({attempt.pk: declined for attempt in pair}, now=now())

        with ThreadPoolExecutor(2) as pool:
            with transaction.atomic():
                # Both wait for the coupon that they lock first, and then go on at the same moment.
                list(Coupon.objects.locked())
                settling = [pool.submit(apart, partial(settle, pair)) for pair in (attempts[:2], attempts[2:])]
                await_waiting(2)
            for each in settling:
                each.result()
        assert set(Coupon.objects.values_list("redemptions", flat=True)) == {0}
        assert not CouponRedemption.objects.exists()
        assert set(Subscription.objects.values_list("status", flat=True)) == {"ended"}

    def test_of_who_subscribes_with_a_coupon_are_taken_in_the_order_of_everybody(self, standin: Standin) -> None:
        Coupon.objects.create(code="HALF", percent=50, periods=1)
        customer = Customer(standin)
        customer.save_card()
        with CaptureQueriesContext(connection) as queries:
            customer.subscribe(PriceFactory.create(), quoted_amount=775, coupon="HALF")
        locked = first_locks(queries)
        assert locked == in_order(locked)
        assert {"accounts_user", "billing_coupon", "billing_numberseries"} <= set(locked)


@pytest.mark.rule("4.20", "4.23")
@pytest.mark.story("several charges for one renewal")
class TestRenew:
    def test_charges_once_at_stripes_books_with_two_workers(self, standin: Standin) -> None:
        price = PriceFactory.create()
        for _ in range(4):
            customer = Customer(standin)
            customer.save_card()
            customer.subscribe(price)
        due = max(moment for moment in Subscription.objects.values_list("next_bill_at", flat=True) if moment)

        def renew() -> int:
            return len(renewals.run(gateway=stripe_gateway.connect(), clock=lambda: due, limit=100))

        assert sum(at_once(renew, renew, renew)) == 4
        assert len(standin.control.charges()) == 8
        assert set(Subscription.objects.values_list("period_index", flat=True)) == {2}
