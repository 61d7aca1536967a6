"""How subscriptions begin, rest, come back and end: over HTTP, with money moving at the stand-in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import OutgoingEmail
from accounts.services import mails
from billing import stripe_gateway
from billing.models import (
    Coupon,
    CreditGrant,
    CreditNote,
    CreditUse,
    Invoice,
    InvoiceLine,
    JournalLine,
    PaymentMethod,
    Period,
    Price,
    Refund,
    Subscription,
    SubscriptionTransition,
    Trial,
    Withdrawal,
)
from billing.services import consents, crediting, notices, payments, recognition, refunds, renewals
from core.models import IdempotencyKey, OutboxEvent
from tests.billing.customers import Customer
from tests.billing.locks import first_locks, in_order
from tests.billing.threads import at_once
from tests.factories.billing import PlanFactory, PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db

BEGIN = datetime(2026, 1, 17, 20, 30, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def at(moment: datetime) -> Any:
    return time_machine.travel(moment, tick=False)


def run(moment: datetime) -> list[str]:
    with at(moment):
        handled = renewals.run(gateway=stripe_gateway.connect(), clock=lambda: moment, limit=100)
    return [each.outcome for each in handled]


def signed_up(standin: Standin, card: str | None = "4242424242424242", **fields: Any) -> Customer:
    customer = Customer(standin, **fields)
    with at(BEGIN):
        if card:
            assert customer.save_card(card).status_code == 201
    return customer


def buy(customer: Customer, price: Price, **changes: Any) -> Any:
    with at(BEGIN):
        bought = customer.subscribe(price, **({"time_zone": "UTC"} | changes))
    assert bought.status_code == 201, bought.content
    return bought.json()


def try_it(customer: Customer, price: Price, *, moment: datetime = BEGIN, zone: str = "UTC", **more: Any) -> Any:
    with at(moment):
        return customer.post(
            "subscriptions/trial", {"price": str(price.pk), "time_zone": zone} | more, key=str(uuid4())
        )


def told() -> list[str]:
    return [name.rpartition("/")[2] for name in OutgoingEmail.objects.order_by("pk").values_list("template", flat=True)]


def amounts(standin: Standin) -> list[int]:
    return sorted(charge["amount"] for charge in standin.control.charges())


def history(subscription: Subscription | None = None) -> list[tuple[str, str, str]]:
    rows = SubscriptionTransition.objects.order_by("pk").values_list("from_status", "to_status", "reason")
    return list(rows.filter(subscription=subscription) if subscription else rows)


@pytest.mark.rule("4.7")
class TestTrial:
    def test_charges_nothing_and_is_counted_from_the_local_date_on_which_it_ends(self, standin: Standin) -> None:
        # 17 January 21:30 in Berlin, 14 days: the anchor is day 31.
        customer, price = signed_up(standin), PriceFactory.create(trial_days=14)
        begun = try_it(customer, price, zone=BERLIN)
        assert begun.status_code == 201, begun.content
        answer = begun.json()
        end = datetime(2026, 1, 31, 20, 30, tzinfo=UTC)
        assert (answer["status"], answer["paid_through"]) == ("trialing", "2026-01-31T20:30:00Z")
        bill = {"amount": 1549, "currency": "USD", "credit": 0, "debts": 0, "due": 1549}
        assert answer["next_bill"] == {"at": "2026-01-31T20:30:00Z"} | bill
        with at(BEGIN):
            assert customer.get("entitlement").json()["access"] == "subscribed"
        assert (amounts(standin), Invoice.objects.count()) == ([], 0)
        assert run(end - timedelta(seconds=1)) == []
        assert run(end) == ["succeeded"]
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.anchor_date.isoformat()) == ("active", "2026-01-31")
        assert [run(datetime(2026, month, day, 21, tzinfo=UTC)) for month, day in ((2, 28), (3, 31))] == [
            ["succeeded"],
            ["succeeded"],
        ]
        starts = Period.objects.order_by("start").values_list("cycle", "index", "start")
        assert [(cycle, index, f"{start:%m-%d}") for cycle, index, start in starts] == [
            (0, 0, "01-17"),
            (1, 0, "01-31"),
            (1, 1, "02-28"),
            (1, 2, "03-31"),
        ]
        assert amounts(standin) == [1549, 1549, 1549]

    def test_cancelled_ends_at_its_end_and_cancelling_beats_the_charge_of_the_same_instant(
        self, standin: Standin
    ) -> None:
        customer, price = signed_up(standin), PriceFactory.create(trial_days=7)
        try_it(customer, price)
        end = BEGIN + timedelta(days=7)
        with at(end - timedelta(seconds=1)):
            canceled = customer.post("subscription/cancel").json()
            assert (canceled["status"], canceled["cancel_at"]) == ("trialing", "2026-01-24T20:30:00Z")
        assert run(end) == ["canceled"]
        assert (amounts(standin), Subscription.objects.get().status) == ([], "canceled")

    @pytest.mark.parametrize(("ends", "status"), [("cancel", "canceled"), ("pause", "paused")])
    def test_without_a_card_at_its_end_is_never_active_unpaid(self, standin: Standin, ends: str, status: str) -> None:
        plan = PlanFactory.create(trial_needs_card=False, trial_without_card=ends)
        customer, price = signed_up(standin, card=None), PriceFactory.create(plan=plan, trial_days=7)
        assert try_it(customer, price).status_code == 201
        end = BEGIN + timedelta(days=7)
        assert run(end) == ["end_trial"]
        assert Subscription.objects.get().status == status
        with at(end):
            assert customer.get("entitlement").json()["entitled"] is False
        assert told() == ["trial_started", "trial_ended"]
        assert Invoice.objects.count() == 0

    @pytest.mark.rule("4.9")
    @pytest.mark.parametrize(
        ("given", "outcome", "status", "left"),
        [(2000, "succeeded", "active", 451), (1548, "succeeded", "active", 0), (1000, "end_trial", "canceled", 1000)],
    )
    def test_without_a_card_goes_on_where_credit_pays_all_of_the_first_period(
        self, standin: Standin, given: int, outcome: str, status: str, left: int
    ) -> None:
        plan = PlanFactory.create(trial_needs_card=False)
        customer, price = signed_up(standin, card=None), PriceFactory.create(plan=plan, trial_days=7)
        try_it(customer, price)
        granted = crediting.request_goodwill(
            account_id=customer.account.pk, amount=given, currency="USD", reason="", by="staff:anna", now=BEGIN
        )
        assert run(BEGIN + timedelta(days=7)) == [outcome]
        granted.refresh_from_db()
        assert (Subscription.objects.get().status, granted.remaining, amounts(standin)) == (status, left, [])

    def test_paused_for_want_of_a_card_goes_on_when_there_is_one(self, standin: Standin) -> None:
        plan = PlanFactory.create(trial_needs_card=False, trial_without_card="pause")
        customer, price = signed_up(standin, card=None), PriceFactory.create(plan=plan, trial_days=7)
        try_it(customer, price)
        run(BEGIN + timedelta(days=7))
        later = BEGIN + timedelta(days=20)
        with at(later):
            refused = customer.post("subscription/resume", {"quoted_amount": 1549}, key="k0")
            assert refused.json()["code"] == "payment_method_required"
            customer.save_card()
            assert customer.get("subscription").json()["next_bill"]["amount"] == 1549
            resumed = customer.post("subscription/resume", {"quoted_amount": 1549}, key="k1").json()
        assert (resumed["subscription"]["status"], resumed["payment"]["status"]) == ("active", "succeeded")
        assert Subscription.objects.get().anchor_date == later.date()

    def test_paused_for_want_of_a_card_ends_after_three_months(self, standin: Standin) -> None:
        plan = PlanFactory.create(trial_needs_card=False, trial_without_card="pause")
        customer, price = signed_up(standin, card=None), PriceFactory.create(plan=plan, trial_days=7)
        try_it(customer, price)
        run(BEGIN + timedelta(days=7))
        assert run(datetime(2026, 4, 24, 20, 29, tzinfo=UTC)) == []
        assert run(datetime(2026, 4, 24, 20, 31, tzinfo=UTC)) == ["uncollectible"]
        assert Subscription.objects.get().status == "canceled"

    def test_declined_at_its_end_is_on_hold_without_access_and_tried_again(self, standin: Standin) -> None:
        customer, price = signed_up(standin, card="4000000000000341"), PriceFactory.create(trial_days=7)
        try_it(customer, price)
        end = BEGIN + timedelta(days=7)
        assert run(end) == ["declined"]
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.next_step) == ("on_hold", "retry")
        assert subscription.next_bill_at == end + timedelta(days=1)
        with at(end):
            assert customer.get("entitlement").json()["entitled"] is False
        with at(end + timedelta(hours=1)):
            customer.save_card()
        assert run(end + timedelta(hours=1)) == ["succeeded"]
        assert Subscription.objects.get().status == "active"
        assert history() == [
            ("", "trialing", "trial_started"),
            ("trialing", "on_hold", "generic_decline"),
            ("on_hold", "active", "invoice_paid"),
        ]

    def test_declined_for_thirty_days_ends(self, standin: Standin) -> None:
        customer, price = signed_up(standin, card="4000000000000341"), PriceFactory.create(trial_days=7)
        try_it(customer, price)
        end = BEGIN + timedelta(days=7)
        done = [run(end + timedelta(days=day, minutes=day)) for day in (0, 1, 3, 5, 7, 10, 14, 30)]
        assert done == [["declined"]] * 7 + [["uncollectible"]]

    def test_is_had_once_a_person(self, standin: Standin) -> None:
        customer, price = signed_up(standin), PriceFactory.create(trial_days=7)
        try_it(customer, price)
        with at(BEGIN):
            customer.post("subscription/cancel")
        end = BEGIN + timedelta(days=7)
        run(end)
        again = try_it(customer, price, moment=end)
        assert (again.status_code, again.json()["code"]) == (409, "trial_used")
        with at(end):
            asked = customer.post("subscriptions/quote", {"price": str(price.pk)}).json()
        assert (asked["trial_days"], Subscription.objects.count()) == (0, 1)

    def test_is_had_once_a_card_whoever_holds_it(self, standin: Standin) -> None:
        price = PriceFactory.create(trial_days=7)
        assert try_it(signed_up(standin), price).status_code == 201
        second = signed_up(standin)
        assert try_it(second, price).json()["code"] == "trial_used"
        assert Subscription.objects.filter(account=second.account).count() == 0
        assert try_it(signed_up(standin, card="5555555555554444"), price).status_code == 201
        assert all(len(digest) == 64 for digest in Trial.objects.values_list("card_digest", flat=True))

    def test_is_not_for_who_has_paid_before(self, standin: Standin) -> None:
        customer, price = signed_up(standin), PriceFactory.create(trial_days=7)
        buy(customer, price)
        with at(BEGIN):
            customer.post("subscription/cancel")
        run(BEGIN + timedelta(days=31))
        assert try_it(customer, price, moment=BEGIN + timedelta(days=32)).json()["code"] == "trial_used"

    def test_needs_a_price_that_offers_one_and_a_card_where_the_plan_asks_for_it(self, standin: Standin) -> None:
        with_trial, without = PriceFactory.create(trial_days=7), PriceFactory.create()
        assert try_it(signed_up(standin), without).json()["code"] == "trial_not_offered"
        assert try_it(signed_up(standin, card=None), with_trial).json()["code"] == "payment_method_required"
        assert (Subscription.objects.count(), Trial.objects.count()) == (0, 0)

    def test_is_one_for_one_request(self, standin: Standin) -> None:
        customer, price = signed_up(standin), PriceFactory.create(trial_days=7)
        with at(BEGIN):
            first, again = (customer.post("subscriptions/trial", {"price": str(price.pk)}, key="k1") for _ in range(2))
        assert (first.status_code, again.status_code, first.json()["id"]) == (201, 201, again.json()["id"])
        assert told() == ["trial_started"]

    @pytest.mark.parametrize(
        ("language", "interval", "says"),
        [
            ("en", "month", "then it costs $7.74 for the first month."),
            ("en", "year", "then it costs $7.74 for the first year."),
            ("de", "year", "danach kostet das erste Jahr 7,74\xa0$."),
        ],
    )
    def test_is_confirmed_with_what_the_first_charge_will_be_and_for_how_long(
        self, standin: Standin, language: str, interval: str, says: str
    ) -> None:
        Coupon.objects.create(code="HALF", percent=50, periods=1)
        customer, price = signed_up(standin), PriceFactory.create(trial_days=7, interval=interval)
        type(customer.account).objects.update(language=language)
        try_it(customer, price, coupon="half")
        assert says in mails.render(OutgoingEmail.objects.get()).body

    def test_reminder_is_stored_with_its_time_and_sent_once(self, standin: Standin) -> None:
        customer, price = signed_up(standin), PriceFactory.create(trial_days=30)
        try_it(customer, price)
        subscription, end = Subscription.objects.get(), BEGIN + timedelta(days=30)
        assert notices.remind(now=end - timedelta(days=7, seconds=1), limit=9) == 0
        due = end - timedelta(days=7)
        assert [notices.remind(now=due + timedelta(hours=n), limit=9) for n in range(2)] == [1, 0]
        reminder = subscription.reminders.get()
        assert (reminder.kind, reminder.boundary, reminder.sent_at) == ("trial_ending", end, due)
        assert (
            "On that day $15.49 is charged for the first month."
            in mails.render(OutgoingEmail.objects.latest("pk")).body
        )

    def test_counts_a_coupon_from_the_first_charge(self, standin: Standin) -> None:
        Coupon.objects.create(code="HALF", percent=50, periods=1)
        customer, price = signed_up(standin), PriceFactory.create(trial_days=7)
        assert try_it(customer, price, coupon="half").json()["next_bill"]["amount"] == 774
        run(BEGIN + timedelta(days=7))
        run(datetime(2026, 2, 24, 21, tzinfo=UTC))
        assert amounts(standin) == [774, 1549]


class TestIntroduction:
    def test_costs_less_for_its_periods_and_the_list_price_from_then_on(self, standin: Standin) -> None:
        price = PriceFactory.create(intro_amount=799, intro_periods=3)
        customer = signed_up(standin)
        buy(customer, price, quoted_amount=799)
        for month in (2, 3, 4):
            run(datetime(2026, month, 17, 21, tzinfo=UTC))
        assert [invoice.total for invoice in Invoice.objects.order_by("pk")] == [799, 799, 799, 1549]
        first = Invoice.objects.earliest("pk").lines.get()
        assert (first.derivation["list_price"], first.derivation["introductory"]) == (799, 3)

    def test_is_shown_before_buying(self, standin: Standin) -> None:
        price = PriceFactory.create(intro_amount=799, intro_periods=3)
        customer = signed_up(standin)
        with at(BEGIN):
            told = customer.post("subscriptions/quote", {"price": str(price.pk)}).json()
            listed = customer.get("plans").json()["plans"][0]["prices"][0]
        assert (told["amount"], told["regular_amount"], told["introductory_periods"]) == (799, 1549, 3)
        assert (listed["intro_amount"], listed["intro_periods"], listed["trial_days"]) == (799, 3, 0)

    def test_is_had_once_a_person(self, standin: Standin) -> None:
        price = PriceFactory.create(intro_amount=799, intro_periods=1)
        customer = signed_up(standin)
        buy(customer, price, quoted_amount=799)
        with at(BEGIN):
            customer.post("subscription/cancel")
        run(BEGIN + timedelta(days=31))
        with at(BEGIN + timedelta(days=40)):
            refused = customer.subscribe(price, quoted_amount=799)
            assert (refused.json()["code"], refused.json()["amount"]) == ("quote_changed", 1549)
            assert customer.subscribe(price).status_code == 201


@pytest.mark.rule("4.6")
class TestPause:
    END = datetime(2026, 2, 17, 20, 30, tzinfo=UTC)

    @pytest.fixture
    def customer(self, standin: Standin) -> Customer:
        """Answer somebody who pays on the 17th."""
        customer = signed_up(standin)
        buy(customer, PriceFactory.create())
        return customer

    def pause(self, customer: Customer, months: int = 2) -> Any:
        with at(BEGIN + timedelta(days=3)):
            return customer.post("subscription/pause", {"months": months})

    def test_begins_at_the_end_of_what_is_paid_for_and_charges_nothing(
        self, standin: Standin, customer: Customer
    ) -> None:
        answer = self.pause(customer).json()
        assert (answer["status"], answer["pause_at"], answer["resume_at"]) == (
            "active",
            "2026-02-17T20:30:00Z",
            "2026-04-17T20:30:00Z",
        )
        assert answer["next_bill"]["at"] == "2026-04-17T20:30:00Z"
        with at(self.END - timedelta(seconds=1)):
            assert customer.get("entitlement").json()["entitled"] is True
        with at(self.END):
            # Although the scheduler has not come yet.
            assert customer.get("entitlement").json()["entitled"] is False
        assert run(self.END) == ["pause"]
        assert Subscription.objects.get().status == "paused"
        assert amounts(standin) == [1549]
        assert [event.type.rpartition(".")[2] for event in OutboxEvent.objects.order_by("id")] == [
            "SubscriptionActivated",
            "SubscriptionLapsed",
        ]

    def test_ends_by_itself_and_is_counted_from_that_day(self, standin: Standin, customer: Customer) -> None:
        self.pause(customer, months=3)
        run(self.END)
        resume_at = datetime(2026, 5, 17, 20, 30, tzinfo=UTC)
        assert run(resume_at - timedelta(seconds=1)) == []
        assert run(resume_at + timedelta(minutes=1)) == ["succeeded"]
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.cycle, subscription.anchor_date) == ("active", 1, resume_at.date())
        assert subscription.paid_through == datetime(2026, 6, 17, 20, 30, tzinfo=UTC)
        assert amounts(standin) == [1549, 1549]
        assert Invoice.objects.filter(kind="change").count() == Refund.objects.count() == 0

    def test_ended_earlier_makes_that_day_the_anchor(self, standin: Standin, customer: Customer) -> None:
        self.pause(customer)
        run(self.END)
        back = datetime(2026, 3, 31, 9, tzinfo=UTC)
        with at(back):
            first, again = (
                customer.post("subscription/resume", {"quoted_amount": 1549}, key="k1").json() for _ in range(2)
            )
        assert first == again
        assert (first["subscription"]["status"], first["payment"]["status"]) == ("active", "succeeded")
        assert first["subscription"]["paid_through"] == "2026-04-30T09:00:00Z"
        assert run(datetime(2026, 4, 30, 10, tzinfo=UTC)) == ["succeeded"]
        assert Subscription.objects.get().paid_through == datetime(2026, 5, 31, 9, tzinfo=UTC)
        assert amounts(standin) == [1549, 1549, 1549]

    def test_ended_with_a_declined_card_gives_no_access_and_another_card_pays(
        self, standin: Standin, customer: Customer
    ) -> None:
        self.pause(customer)
        run(self.END)
        back = self.END + timedelta(days=5)
        with at(back):
            customer.save_card("4000000000000341")
            refused = customer.post("subscription/resume", {"quoted_amount": 1549}, key="k1")
            assert (refused.status_code, refused.json()["code"]) == (402, "payment_failed")
            assert customer.get("entitlement").json()["entitled"] is False
            customer.save_card()
        assert run(back) == ["succeeded"]
        assert (Subscription.objects.get().status, amounts(standin)) == ("active", [1549, 1549])

    def test_is_ended_for_the_amount_that_was_shown_or_not_at_all(self, standin: Standin, customer: Customer) -> None:
        self.pause(customer)
        run(self.END)
        with at(self.END + timedelta(days=1)):
            refused = customer.post("subscription/resume", {"quoted_amount": 999}, key="k1")
        assert (refused.json()["code"], refused.json()["amount"]) == ("quote_changed", 1549)
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.cycle, Invoice.objects.count()) == ("paused", 0, 1)

    def test_is_taken_back_and_the_anchor_stays(self, standin: Standin, customer: Customer) -> None:
        self.pause(customer)
        with at(BEGIN + timedelta(days=4)):
            kept = customer.delete("subscription/pause").json()
        assert (kept["pause_at"], kept["next_bill_at"]) == (None, "2026-02-17T20:30:00Z")
        assert run(self.END) == ["succeeded"]
        assert history(Subscription.objects.get())[-2:] == [
            ("active", "active", "pause_requested: 2"),
            ("active", "active", "pause_undone"),
        ]

    @pytest.mark.parametrize(
        ("language", "subject", "says"),
        [
            (
                "en",
                "Your subscription goes on without a pause",
                "On Feb 17, 2026 the next period begins, and it costs $15.49.",
            ),
            (
                "de",
                "Ihr Abo läuft ohne Pause weiter",
                "Am 17.02.2026 beginnt der nächste Zeitraum; er kostet 15,49\xa0$.",
            ),
        ],
    )
    def test_taken_back_is_confirmed_by_mail(
        self, standin: Standin, customer: Customer, language: str, subject: str, says: str
    ) -> None:
        type(customer.account).objects.update(language=language)
        self.pause(customer)
        with at(BEGIN + timedelta(days=4)):
            customer.delete("subscription/pause")
            assert customer.delete("subscription/pause").json()["code"] == "not_paused"
        assert told() == ["pause_planned", "pause_undone"]
        mail = mails.render(OutgoingEmail.objects.get(template="billing/email/pause_undone"))
        assert mail.subject == subject
        assert says in mail.body

    def test_gives_way_to_a_cancellation(self, standin: Standin, customer: Customer) -> None:
        self.pause(customer)
        with at(BEGIN + timedelta(days=4)):
            assert customer.post("subscription/cancel").json()["pause_at"] is None
            assert self.pause(customer).json()["code"] == "pause_not_possible"
        assert run(self.END) == ["canceled"]

    def test_beats_the_renewal_of_the_same_instant(self, standin: Standin, customer: Customer) -> None:
        with at(self.END - timedelta(seconds=1)):
            customer.post("subscription/pause", {"months": 1})
        assert run(self.END) == ["pause"]
        assert amounts(standin) == [1549]

    def test_can_be_cancelled_and_ends_at_once(self, standin: Standin, customer: Customer) -> None:
        self.pause(customer)
        run(self.END)
        with at(self.END + timedelta(days=1)):
            assert customer.post("subscription/cancel").json()["status"] == "canceled"
        assert told()[-1] == "canceled_at_once"
        assert run(self.END + timedelta(days=90)) == []

    @pytest.mark.parametrize("months", [0, 4])
    def test_of_any_other_length_is_refused(self, customer: Customer, months: int) -> None:
        assert self.pause(customer, months=months).status_code == 400
        assert Subscription.objects.get().pause_at is None

    def test_counts_coupon_periods_on(self, standin: Standin) -> None:
        Coupon.objects.create(code="HALF", percent=50, periods=2)
        customer = signed_up(standin)
        buy(customer, PriceFactory.create(), coupon="HALF", quoted_amount=774)
        self.pause(customer, months=1)
        for moment in (self.END, datetime(2026, 3, 17, 21, tzinfo=UTC), datetime(2026, 4, 17, 21, tzinfo=UTC)):
            run(moment)
        assert amounts(standin) == [774, 774, 1549]

    def test_locks_the_row_that_the_renewal_locks(self, customer: Customer) -> None:
        with CaptureQueriesContext(connection) as queries:
            self.pause(customer)
        assert any('FOR UPDATE OF "billing_subscription"' in query["sql"] for query in queries)


@pytest.mark.rule("4.5")
class TestReactivate:
    END = datetime(2026, 2, 17, 20, 30, tzinfo=UTC)

    def left(self, standin: Standin, price: Price) -> Customer:
        customer = signed_up(standin)
        buy(customer, price)
        with at(BEGIN + timedelta(days=1)):
            customer.post("subscription/cancel")
        return customer

    def come_back(self, customer: Customer, amount: int, moment: datetime, key: str = "k1") -> Any:
        with at(moment):
            offered = customer.get("subscription/reactivate").json()
            assert offered["amount"] == amount, offered
            return customer.post("subscription/reactivate", {"quoted_amount": amount}, key=key)

    def test_while_access_remains_keeps_everything(self, standin: Standin) -> None:
        customer = self.left(standin, PriceFactory.create())
        back = self.come_back(customer, 0, BEGIN + timedelta(days=2)).json()
        assert (back["subscription"]["cancel_at"], back["subscription"]["next_bill_at"]) == (
            None,
            "2026-02-17T20:30:00Z",
        )
        with at(BEGIN + timedelta(days=2)):
            again = customer.post("subscription/reactivate", {"quoted_amount": 0}, key="k1")
        assert again.json()["subscription"]["id"] == back["subscription"]["id"]
        assert amounts(standin) == [1549]
        assert Subscription.objects.get().anchor_date == BEGIN.date()

    def test_after_the_end_begins_anew_on_that_day_at_the_price_of_that_day(self, standin: Standin) -> None:
        price = PriceFactory.create()
        customer = self.left(standin, price)
        run(self.END)
        Price.objects.update(superseded_at=self.END)
        PriceFactory.create(plan=price.plan, amount=1699, version=2)
        back = self.come_back(customer, 1699, self.END + timedelta(days=20)).json()
        assert back["payment"]["status"] == "succeeded"
        assert Subscription.objects.live().get().anchor_date == (self.END + timedelta(days=20)).date()
        with at(self.END + timedelta(days=20)):
            again = customer.post("subscription/reactivate", {"quoted_amount": 1699}, key="k1").json()
        assert again["subscription"]["id"] == back["subscription"]["id"]
        assert amounts(standin) == [1549, 1699]

    def test_after_the_end_keeps_the_old_price_where_the_plan_does(self, standin: Standin) -> None:
        price = PriceFactory.create(plan=PlanFactory.create(keeps_price_on_return=True))
        customer = self.left(standin, price)
        run(self.END)
        Price.objects.update(superseded_at=self.END)
        PriceFactory.create(plan=price.plan, amount=1699, version=2)
        self.come_back(customer, 1549, self.END + timedelta(days=20))
        assert amounts(standin) == [1549, 1549]

    def test_old_price_is_for_who_had_it_alone(self, standin: Standin) -> None:
        price = PriceFactory.create(plan=PlanFactory.create(keeps_price_on_return=True))
        Price.objects.update(superseded_at=BEGIN)
        with at(BEGIN):
            refused = signed_up(standin).subscribe(price)
        assert refused.json()["code"] == "price_not_offered"

    def test_of_what_never_ended_is_refused(self, standin: Standin) -> None:
        customer = signed_up(standin)
        buy(customer, PriceFactory.create())
        with at(BEGIN):
            refused = customer.post("subscription/reactivate", {"quoted_amount": 0}, key="k1")
        assert refused.json()["code"] == "already_subscribed"
        stranger = Customer(standin)
        assert stranger.get("subscription/reactivate").json()["code"] == "no_subscription"


@pytest.mark.rule("4.5")
class TestCancel:
    def test_takes_one_step_and_is_confirmed_by_mail(self, standin: Standin) -> None:
        customer = signed_up(standin)
        buy(customer, PriceFactory.create())
        with at(BEGIN + timedelta(days=1)):
            answer = customer.post("subscription/cancel")
        assert answer.status_code == 200
        mail = mails.render(OutgoingEmail.objects.get())
        assert mail.subject == "Your subscription is cancelled"
        assert "You can watch until Feb 17, 2026, and nothing more will be charged." in mail.body
        made = Subscription.objects.get().cancellations.get()
        assert (made.reason, made.by) == ("", f"account:{customer.account.pk}")
        assert made.effective_at == datetime(2026, 2, 17, 20, 30, tzinfo=UTC)

    def test_records_why_and_that_it_was_taken_back(self, standin: Standin) -> None:
        customer = signed_up(standin)
        buy(customer, PriceFactory.create())
        with at(BEGIN + timedelta(days=1)):
            customer.post("subscription/cancel", {"reason": "too_expensive", "comment": "a lot"})
            customer.delete("subscription/cancel")
        made = Subscription.objects.get().cancellations.get()
        assert (made.reason, made.comment, made.undone_at) == ("too_expensive", "a lot", BEGIN + timedelta(days=1))
        assert told() == ["canceled", "cancel_undone"]

    def test_drops_a_downgrade(self, standin: Standin) -> None:
        lower, price = PriceFactory.create(amount=999), PriceFactory.create()
        customer = signed_up(standin)
        buy(customer, price)
        with at(BEGIN + timedelta(days=1)):
            assert (
                customer.post("subscription/downgrade", {"price": str(lower.pk)}).json()["next_price"]["amount"] == 999
            )
            customer.post("subscription/cancel")
            kept = customer.delete("subscription/cancel").json()
        assert (kept["next_price"], kept["next_bill"]["amount"]) == (None, 1549)


@pytest.mark.rule("4.4")
class TestInterval:
    HALF = datetime(2026, 2, 2, 12, tzinfo=UTC)

    def change(self, customer: Customer, price: Price, moment: datetime = HALF, key: str = "k1") -> tuple[Any, Any]:
        with at(moment):
            quote = customer.post("subscription/quotes", {"price": str(price.pk)})
            assert quote.status_code == 201, quote.content
            return quote.json(), customer.post(f"subscription/quotes/{quote.json()['id']}/accept", key=key)

    def test_of_a_year_restarts_the_period_today(self, standin: Standin) -> None:
        month = PriceFactory.create()
        year = PriceFactory.create(plan=month.plan, interval="year", amount=15490)
        customer = signed_up(standin)
        buy(customer, month)
        quote, accepted = self.change(customer, year)
        # 15 of 31 days are unused: 749.5 of 1549.
        assert [line["amount"] for line in quote["lines"]] == [-750, 15490]
        answer = accepted.json()["subscription"]
        assert (answer["paid_through"], answer["price"]["interval"]) == ("2027-02-02T12:00:00Z", "year")
        assert amounts(standin) == [1549, 14740]
        periods = Period.objects.order_by("start").values_list("cycle", "index", "start", "end")
        assert list(periods) == [
            (0, 0, BEGIN, self.HALF),
            (1, 0, self.HALF, datetime(2027, 2, 2, 12, tzinfo=UTC)),
        ]
        assert run(datetime(2026, 2, 17, 21, tzinfo=UTC)) == []
        assert run(datetime(2027, 2, 2, 13, tzinfo=UTC)) == ["succeeded"]
        assert sum(JournalLine.objects.values_list("amount", flat=True)) == 0

    def test_declined_leaves_the_period_as_it_was(self, standin: Standin) -> None:
        month = PriceFactory.create()
        year = PriceFactory.create(plan=month.plan, interval="year", amount=15490)
        customer = signed_up(standin)
        buy(customer, month)
        with at(self.HALF):
            customer.save_card("4000000000000341")
        _, refused = self.change(customer, year)
        assert refused.json()["code"] == "payment_failed"
        subscription = Subscription.objects.get()
        assert (subscription.price, subscription.cycle) == (month, 0)
        assert Period.objects.get().end == datetime(2026, 2, 17, 20, 30, tzinfo=UTC)

    def test_of_a_month_turns_what_is_left_of_the_year_into_credit(self, standin: Standin) -> None:
        year = PriceFactory.create(interval="year", amount=15490)
        month = PriceFactory.create(plan=year.plan)
        customer = signed_up(standin)
        buy(customer, year)
        quote, accepted = self.change(customer, month)
        assert (quote["total"], accepted.json()["payment"]["status"]) == (1549 - 14811, "succeeded")
        assert run(datetime(2026, 3, 2, 13, tzinfo=UTC)) == ["succeeded"]
        assert amounts(standin) == [15490]

    def test_of_a_month_at_the_end_of_the_year_restarts_there(self, standin: Standin) -> None:
        year = PriceFactory.create(interval="year", amount=15490)
        month = PriceFactory.create(plan=year.plan)
        customer = signed_up(standin)
        buy(customer, year)
        with at(self.HALF):
            assert customer.post("subscription/downgrade", {"price": str(month.pk)}).status_code == 200
        assert run(datetime(2027, 1, 17, 21, tzinfo=UTC)) == ["succeeded"]
        subscription = Subscription.objects.get()
        assert subscription.paid_through == datetime(2027, 2, 17, 20, 30, tzinfo=UTC)
        assert (subscription.cycle, amounts(standin)) == (1, [1549, 15490])

    def test_and_back_on_the_same_day_nets_nothing(self, standin: Standin) -> None:
        month = PriceFactory.create()
        year = PriceFactory.create(plan=month.plan, interval="year", amount=15490)
        customer = signed_up(standin)
        buy(customer, month)
        to_year, _ = self.change(customer, year)
        back, _ = self.change(customer, month, self.HALF + timedelta(hours=1), key="k2")
        # All of the year is credited; a month that begins today costs a whole month.
        assert (to_year["total"], back["total"]) == (14740, 1549 - 15490)


@pytest.mark.rule("4.4")
class TestNextBill:
    @pytest.fixture
    def prices(self) -> list[Price]:
        """Answer 9.99, 15.49 and 22.99 in a family whose upgrades are billed with the next period."""
        made = [PriceFactory.create(amount=amount) for amount in (999, 1549, 2299)]
        type(made[0].plan.family).objects.update(upgrades_by="next_bill")
        return made

    def upgrade(self, customer: Customer, price: Price, key: str = "k1") -> Any:
        with at(BEGIN + timedelta(days=3)):
            quote = customer.post("subscription/quotes", {"price": str(price.pk)}).json()
            assert (quote["total"], quote["lines"]) == (0, [])
            return customer.post(f"subscription/quotes/{quote['id']}/accept", key=key)

    def test_changes_the_features_at_once_and_the_price_at_the_boundary(
        self, standin: Standin, prices: list[Price]
    ) -> None:
        customer = signed_up(standin)
        buy(customer, prices[1])
        answer = self.upgrade(customer, prices[2]).json()
        assert answer["payment"]["status"] == "succeeded"
        with at(BEGIN + timedelta(days=3)):
            assert customer.get("entitlement").json()["plan"] == prices[2].plan.code
        assert told() == ["plan_changed"]
        body = mails.render(OutgoingEmail.objects.get()).body
        assert "from now on, and nothing is charged for it today. On Feb 17, 2026" in body
        assert "it costs $22.99." in body
        assert run(datetime(2026, 2, 17, 21, tzinfo=UTC)) == ["succeeded"]
        assert [invoice.total for invoice in Invoice.objects.order_by("pk")] == [1549, 2299]

    def test_unpaid_features_end_at_once_when_it_is_taken_back(self, standin: Standin, prices: list[Price]) -> None:
        customer = signed_up(standin)
        buy(customer, prices[1])
        self.upgrade(customer, prices[2])
        with at(BEGIN + timedelta(days=4)):
            customer.post("subscription/downgrade", {"price": str(prices[0].pk)})
            assert customer.get("entitlement").json()["plan"] == prices[1].plan.code
        run(datetime(2026, 2, 17, 21, tzinfo=UTC))
        assert [invoice.total for invoice in Invoice.objects.order_by("pk")] == [1549, 999]


class TestConsent:
    def publish(self, kind: str, country: str = "", text: str = "I agree.") -> str:
        made = consents.publish(kind=consents.Kind(kind), country=country, text=text, url="", now=BEGIN)
        return str(made.pk)

    def test_to_the_present_terms_is_needed_and_recorded_with_time_and_place(self, standin: Standin) -> None:
        old, terms = self.publish("terms"), self.publish("terms", text="I agree to the second version.")
        customer, price = signed_up(standin), PriceFactory.create()
        with at(BEGIN):
            listed = customer.get("legal-documents").json()
            assert [(each["id"], each["version"], each["mandatory"]) for each in listed] == [(terms, 2, True)]
            for ticked in ([], [old], [terms, old]):
                refused = customer.subscribe(price, documents=ticked)
                assert (refused.status_code, refused.json()["code"]) == (409, "consent_required")
                assert refused.json()["documents"] == [terms]
        assert Subscription.objects.count() == 0
        buy(customer, price, documents=[terms])
        consent = Subscription.objects.get().consents.get()
        assert (str(consent.document_id), consent.given_at, consent.address) == (terms, BEGIN, "127.0.0.1")

    def test_is_asked_for_in_the_countrys_own_words(self, standin: Standin) -> None:
        everywhere, german = self.publish("terms"), self.publish("terms", "DE")
        assert [each["id"] for each in Customer(standin, country="DE").get("legal-documents").json()] == [german]
        assert [each["id"] for each in Customer(standin, country="FR").get("legal-documents").json()] == [everywhere]

    def test_is_needed_for_a_trial_and_for_coming_back_too(self, standin: Standin) -> None:
        self.publish("terms")
        customer, price = signed_up(standin), PriceFactory.create(trial_days=7)
        assert try_it(customer, price).json()["code"] == "consent_required"
        assert (Trial.objects.count(), Subscription.objects.count()) == (0, 0)


class TestWithdrawal:
    """The law of Germany: 14 days after the day of buying; who asked for an early beginning pays for the days had."""

    def bought(self, standin: Standin, *, early: bool, amount: int = 1549, price: Price | None = None) -> Customer:
        price = price or PriceFactory.create(currency="EUR", amount=amount)
        asked = consents.publish(
            kind=consents.Kind.IMMEDIATE_PERFORMANCE, country="DE", text="Begin at once.", url="", now=BEGIN
        )
        customer = signed_up(standin, country="DE")
        buy(customer, price, time_zone=BERLIN, documents=[str(asked.pk)] if early else [])
        return customer

    def withdraw(self, customer: Customer, moment: datetime, *, key: str | None = None) -> Any:
        with at(moment):
            return customer.post("subscription/withdraw", key=key or str(uuid4()))

    def test_gives_everything_back_to_who_did_not_ask_for_an_early_beginning(self, standin: Standin) -> None:
        customer = self.bought(standin, early=False)
        answer = self.withdraw(customer, BEGIN + timedelta(days=10))
        assert (answer.status_code, answer.json()["refunded"], answer.json()["kept"]) == (200, 1549, 0)
        with at(BEGIN + timedelta(days=10)):
            assert customer.get("subscription").json()["status"] == "canceled"
            assert customer.get("entitlement").json()["entitled"] is False
            refunds.sweep(gateway=stripe_gateway.connect(), now=BEGIN + timedelta(days=10))
        assert Refund.objects.get().state == "succeeded"
        assert CreditNote.objects.get().net + CreditNote.objects.get().tax == 1549
        assert history()[-1] == ("active", "canceled", "withdrawn")
        assert told() == ["withdrawn", "refunded"]

    def test_is_answered_the_same_when_it_is_sent_again(self, standin: Standin) -> None:
        customer = self.bought(standin, early=False)
        moment = BEGIN + timedelta(days=10)
        first = self.withdraw(customer, moment, key="k")
        assert self.withdraw(customer, moment, key="k").json() == first.json()
        # As after a crash between the commit and the keeping of the answer.
        IdempotencyKey.objects.filter(expires_at__gt=moment).update(
            status=None, headers=None, body=None, leased_until=moment
        )
        again = self.withdraw(customer, moment + timedelta(minutes=2), key="k")
        assert (again.status_code, again.json()) == (200, first.json())
        assert self.withdraw(customer, moment, key="another").json()["code"] == "no_subscription"
        assert (Refund.objects.count(), told()) == (1, ["withdrawn"])

    def test_keeps_the_days_had_of_who_asked_for_an_early_beginning(self, standin: Standin) -> None:
        customer = self.bought(standin, early=True)
        # 17 January to 17 February, 10 of 31 days had: 21/31 of 1549.
        answer = self.withdraw(customer, BEGIN + timedelta(days=10)).json()
        assert (answer["pro_rata"], answer["refunded"], answer["kept"]) == (True, 1049, 500)

    def test_on_the_day_of_buying_gives_everything_back(self, standin: Standin) -> None:
        customer = self.bought(standin, early=True)
        assert self.withdraw(customer, BEGIN + timedelta(hours=1)).json()["refunded"] == 1549

    def test_waits_for_nobody_who_approves_a_refund(self, standin: Standin, settings: Settings) -> None:
        customer = self.bought(standin, early=False)
        settings.REFUND_APPROVAL_LIMIT = 0
        invoice = Invoice.objects.get()
        asked = refunds.request(invoice_id=invoice.pk, amount=1549, reason="", by="staff:anna", now=BEGIN)
        assert self.withdraw(customer, BEGIN + timedelta(days=10)).json()["refunded"] == 1549
        asked.refresh_from_db()
        assert (asked.state, asked.failure) == ("refused", "withdrawn")

    def test_gives_up_a_change_that_waits_for_the_bank(self, standin: Standin) -> None:
        customer = self.bought(standin, early=False)
        above = PriceFactory.create(plan=PlanFactory.create(name="Above"), currency="EUR", amount=2299)
        with at(BEGIN + timedelta(days=5)):
            customer.save_card("4000002760003184")
            quote = customer.post("subscription/quotes", {"price": str(above.pk)}).json()
            asked = customer.post(f"subscription/quotes/{quote['id']}/accept", key="k1").json()
        assert asked["payment"]["status"] == "requires_action"
        answer = self.withdraw(customer, BEGIN + timedelta(days=6))
        assert (answer.status_code, answer.json()["refunded"]) == (200, 1549)
        payments.sweep(gateway=stripe_gateway.connect(), now=BEGIN + timedelta(days=6))
        change = Invoice.objects.get(kind="change")
        assert (change.status, change.attempts.get().state) == ("void", "canceled")

    @pytest.mark.parametrize(
        ("moment", "status"),
        [
            # Bought on 17 January at 21:30 in Berlin: until the end of the 31st there.
            (datetime(2026, 1, 31, 22, 59, 59, tzinfo=UTC), 200),
            (datetime(2026, 1, 31, 23, tzinfo=UTC), 409),
        ],
    )
    def test_is_possible_until_the_last_day_is_over_where_the_customer_lives(
        self, standin: Standin, moment: datetime, status: int
    ) -> None:
        customer = self.bought(standin, early=True)
        with at(BEGIN):
            assert customer.get("subscription").json()["withdraw_until"] == "2026-01-31T23:00:00Z"
        answer = self.withdraw(customer, moment)
        assert answer.status_code == status
        if status == 409:
            assert answer.json()["code"] == "withdrawal_not_possible"
            assert (Subscription.objects.get().status, Refund.objects.count()) == ("active", 0)

    def test_is_no_right_where_the_law_gives_none(self, standin: Standin) -> None:
        customer = signed_up(standin)
        buy(customer, PriceFactory.create())
        assert self.withdraw(customer, BEGIN).json()["code"] == "withdrawal_not_possible"
        with at(BEGIN):
            assert customer.get("subscription").json()["withdraw_until"] is None

    def test_needs_nobodys_approval_however_large(self, standin: Standin) -> None:
        customer = self.bought(standin, early=False, amount=2_000_000)
        self.withdraw(customer, BEGIN + timedelta(days=1))
        assert Refund.objects.get().state == "approved"

    def test_of_an_upgrade_gives_back_what_is_left_of_both(self, standin: Standin) -> None:
        customer = self.bought(standin, early=True)
        higher = PriceFactory.create(currency="EUR", amount=2299)
        with at(BEGIN + timedelta(days=5)):
            quote = customer.post("subscription/quotes", {"price": str(higher.pk)}).json()
            customer.post(f"subscription/quotes/{quote['id']}/accept", key="k1")
        answer = self.withdraw(customer, BEGIN + timedelta(days=10)).json()
        # 21 of 31 days of 2299 are left: 1557.4.
        assert answer["refunded"] in {1557, 1558}
        assert answer["refunded"] + answer["kept"] == 1549 + quote["total"]

    @pytest.mark.parametrize(("early", "refunded", "kept"), [(False, 12000, 0), (True, 11571, 429)])
    def test_turns_the_credit_of_a_change_into_money_and_gives_nothing_twice(
        self, standin: Standin, early: bool, refunded: int, kept: int
    ) -> None:
        # A year for 120.00, after 10 days a month for 15.49 instead, after 2 more days nothing.
        customer = self.bought_by_the_year(standin, early=early)
        moment = BEGIN + timedelta(days=12)
        answer = self.withdraw(customer, moment).json()
        assert (answer["refunded"], answer["kept"]) == (refunded, kept)
        assert sum(CreditGrant.objects.values_list("remaining", flat=True)) == 0
        refunds.sweep(gateway=stripe_gateway.connect(), now=moment)
        assert [each.amount for each in Refund.objects.filter(state="succeeded")] == [refunded]
        recognition.recognise_due(now=BEGIN + timedelta(days=400))
        books = dict.fromkeys(("deferred_revenue", "customer_credit", "receivable:user"), 0)
        for account, amount in JournalLine.objects.filter(account__in=books).values_list("account", "amount"):
            books[account] += amount
        assert set(books.values()) == {0}

    @pytest.mark.parametrize(("early", "left"), [(False, None), (True, None), (False, 5000), (False, 1)])
    def test_takes_credit_back_by_a_document_so_that_all_documents_make_what_is_kept(
        self, standin: Standin, early: bool, left: int | None
    ) -> None:
        customer = self.bought_by_the_year(standin, early=early)
        granted = CreditGrant.objects.get()
        if left is not None:
            # The rest was spent: as if it had paid something else.
            CreditGrant.objects.update(remaining=left)
        moment = BEGIN + timedelta(days=12)
        with CaptureQueriesContext(connection) as queries:
            kept = self.withdraw(customer, moment).json()["kept"]
        locked = first_locks(queries)
        assert locked == in_order(locked)
        assert {"billing_paymentattempt", "billing_creditgrant", "billing_numberseries"} <= set(locked)
        refunds.sweep(gateway=stripe_gateway.connect(), now=moment)
        debit = Invoice.objects.get(kind="debit")
        assert (debit.status, debit.country, debit.total, debit.due) == ("paid", "DE", left or granted.amount, 0)
        use = CreditUse.objects.get(invoice=debit)
        assert (use.grant_id, use.amount) == (granted.pk, debit.total)
        taxes = sum(InvoiceLine.objects.values_list("tax", flat=True)) - sum(
            CreditNote.objects.values_list("tax", flat=True)
        )
        billed = sum(Invoice.objects.values_list("total", flat=True)) - sum(
            net + tax for net, tax in CreditNote.objects.values_list("net", "tax")
        )
        assert billed == kept
        booked = JournalLine.objects.filter(account="tax_payable").values_list("amount", flat=True)
        assert -sum(booked) == taxes
        with at(moment):
            told = customer.get(f"invoices/{debit.pk}/explain").json()
            assert customer.get(f"invoices/{debit.pk}/pdf").status_code == 200
        assert told["total"] == sum(line["amount"] for line in told["lines"]) == debit.total
        steps = [[step["code"] for step in line["reasons"]] for line in told["lines"]]
        assert steps == [["credit_taken_back", "tax"]] * 2
        assert "so €" in told["lines"][0]["reasons"][0]["text"]
        assert told["history"][0]["text"].startswith("The invoice was made to take credit back")
        with pytest.raises(refunds.NotRefundable):
            refunds.request(invoice_id=debit.pk, amount=1, reason="", by="staff:1", now=moment)

    def test_gives_back_no_money_for_credit_that_is_spent(self, standin: Standin) -> None:
        customer = self.bought_by_the_year(standin, early=False)
        # As if it had paid something else.
        CreditGrant.objects.update(remaining=0)
        answer = self.withdraw(customer, BEGIN + timedelta(days=12)).json()
        assert (answer["refunded"], answer["kept"]) == (12000 - CreditGrant.objects.get().amount, 0)
        assert not Invoice.objects.filter(kind="debit").exists()

    def bought_by_the_year(self, standin: Standin, *, early: bool) -> Customer:
        plan = PlanFactory.create()
        yearly = PriceFactory.create(plan=plan, currency="EUR", amount=12000, interval="year")
        monthly = PriceFactory.create(plan=plan, currency="EUR", amount=1549)
        customer = self.bought(standin, early=early, price=yearly)
        with at(BEGIN + timedelta(days=10)):
            quote = customer.post("subscription/quotes", {"price": str(monthly.pk)}).json()
            accepted = customer.post(f"subscription/quotes/{quote['id']}/accept", key="k1")
        assert accepted.status_code == 200, accepted.content
        assert CreditGrant.objects.get().amount == -quote["total"] > 10000
        return customer

    def test_from_a_trial_costs_nothing(self, standin: Standin) -> None:
        customer = signed_up(standin, country="DE")
        price = PriceFactory.create(currency="EUR", trial_days=30)
        try_it(customer, price, zone=BERLIN)
        answer = self.withdraw(customer, BEGIN + timedelta(days=3)).json()
        assert (answer["refunded"], answer["kept"], Subscription.objects.get().status) == (0, 0, "canceled")

    def test_closes_what_is_not_earned_yet(self, standin: Standin) -> None:
        customer = self.bought(standin, early=True)
        moment = BEGIN + timedelta(days=10)
        self.withdraw(customer, moment)
        refunds.sweep(gateway=stripe_gateway.connect(), now=moment)
        recognition.recognise_due(now=BEGIN + timedelta(days=60))
        books = JournalLine.objects.filter(account="deferred_revenue").values_list("amount", flat=True)
        assert sum(books) == 0
        assert Withdrawal.objects.get().kept == 500


@pytest.mark.django_db(transaction=True)
@pytest.mark.rule("4.7")
class TestTwoTrials:
    def test_at_once_with_one_card_are_one(self, standin: Standin) -> None:
        price = PriceFactory.create(trial_days=7)
        customers = [signed_up(standin) for _ in range(3)]

        def begin(customer: Customer) -> int:
            answer = customer.post("subscriptions/trial", {"price": str(price.pk)}, key=str(uuid4()))
            return int(answer.status_code)

        assert sorted(at_once(*[lambda customer=each: begin(customer) for each in customers])) == [201, 409, 409]
        assert Trial.objects.count() == Subscription.objects.count() == 1
        assert PaymentMethod.objects.count() == 3
