"""Another plan or interval within a trial: chosen for nothing, billed from the trial's end on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing import stripe_gateway
from billing.models import Coupon, Invoice, Period, Price, Quote, Subscription, SubscriptionTransition, Trial
from billing.selectors import explanations
from billing.services import changes, renewals, trial_changes
from core.errors import DomainError
from core.idempotency import RequestKey
from tests.billing.customers import Customer
from tests.billing.locks import first_locks, in_order
from tests.billing.test_lifecycle import BEGIN, amounts, at, run, signed_up, told, try_it
from tests.billing.threads import at_once
from tests.factories.billing import PlanFactory, PriceFactory
from tests.standin import Standin

pytestmark = [pytest.mark.django_db, pytest.mark.rule("4.7")]

END = BEGIN + timedelta(days=14)
LATER = BEGIN + timedelta(days=5)
YEAR = Price.IntervalChoices.YEAR


def offered(tier: int, amount: int, *, trial_days: int = 14, needs_card: bool = True, **terms: Any) -> Price:
    plan = PlanFactory.create(tier=tier, code=f"tier-{tier}", trial_needs_card=needs_card)
    return PriceFactory.create(plan=plan, amount=amount, trial_days=trial_days, **terms)


def trying(standin: Standin, price: Price, *, card: str | None = "4242424242424242", **more: Any) -> Customer:
    customer = signed_up(standin, card)
    begun = try_it(customer, price, **more)
    assert begun.status_code == 201, begun.content
    return customer


def choose(customer: Customer, price: Price, *, moment: datetime = LATER) -> tuple[Any, Any]:
    """Ask what a price costs and take it; answers the quote and what accepting it is answered with."""
    with at(moment):
        quote = customer.post("subscription/quotes", {"price": str(price.pk)})
        assert quote.status_code == 201, quote.content
        accepted = customer.post(f"subscription/quotes/{quote.json()['id']}/accept", key=str(uuid4()))
    return quote.json(), accepted


def stands() -> tuple[str, int, int | None, datetime | None]:
    found = Subscription.objects.select_related("price", "pending_price").get()
    pending = found.pending_price.amount if found.pending_price else None
    return found.status, found.price.amount, pending, found.paid_through


class TestHigherPlan:
    def test_is_had_at_once_and_billed_from_the_end_of_the_trial_on(self, standin: Standin) -> None:
        low, high = offered(1, 1549), offered(2, 2299)
        customer = trying(standin, low)
        quote, accepted = choose(customer, high)
        bill = {"amount": 2299, "currency": "USD", "credit": 0, "debts": 0, "due": 2299}
        assert quote["next_bill"] == {"at": "2026-01-31T20:30:00Z"} | bill
        assert (quote["total"], quote["due"], quote["lines"], quote["begins_at"]) == (0, 0, [], None)
        assert (quote["trial_ends_at"], quote["expires_at"]) == ("2026-01-31T20:30:00Z", "2026-01-22T21:00:00Z")
        answer = accepted.json()
        assert (accepted.status_code, answer["payment"]["status"]) == (200, "succeeded")
        assert answer["subscription"]["plan"]["code"] == "tier-2"
        assert answer["subscription"]["next_bill"] == quote["next_bill"]
        assert stands() == ("trialing", 2299, None, END)
        assert (amounts(standin), Invoice.objects.count(), Trial.objects.get().ends_at) == ([], 0, END)
        with at(LATER):
            assert customer.get("entitlement").json()["plan"] == "tier-2"
        assert told() == ["trial_started", "trial_changed"]
        assert run(END - timedelta(seconds=1)) == []
        assert run(END) == ["succeeded"]
        assert (stands()[:2], amounts(standin)) == (("active", 2299), [2299])
        assert list(Period.objects.order_by("start").values_list("cycle", "start", "end")) == [
            (0, BEGIN, END),
            (1, END, datetime(2026, 2, 28, 20, 30, tzinfo=UTC)),
        ]
        noted = SubscriptionTransition.objects.order_by("pk").values_list("from_status", "to_status", "reason", "by")
        by = f"account:{customer.account.pk}"
        assert list(noted)[1:] == [
            ("trialing", "trialing", "plan_changed", by),
            ("trialing", "active", "invoice_paid", "system"),
        ]
        (line,) = explanations.explain(Invoice.objects.get()).lines
        assert [(reason.code, reason.amount) for reason in line.reasons] == [("list_price", 2299)]

    @pytest.mark.parametrize("trial_days", [0, 8])
    def test_that_is_tried_for_less_than_is_left_waits(self, standin: Standin, trial_days: int) -> None:
        low, high = offered(1, 1549), offered(2, 2299, trial_days=trial_days)
        customer = trying(standin, low)
        quote, _ = choose(customer, high)
        assert quote["begins_at"] == "2026-01-31T20:30:00Z"
        assert stands() == ("trialing", 1549, 2299, END)
        with at(LATER):
            shown = customer.get("subscription").json()
            assert (shown["plan"]["code"], shown["next_bill"]["amount"]) == ("tier-1", 2299)
            assert customer.get("entitlement").json()["plan"] == "tier-1"
        assert run(END) == ["succeeded"]
        assert (stands()[:3], amounts(standin)) == (("active", 2299, None), [2299])

    @pytest.mark.parametrize(
        ("trial_days", "day", "waits"), [(9, 5, False), (8, 5, True), (8, 6, False), (0, 13, True)]
    )
    def test_begins_once_no_more_is_left_than_its_own_trial(
        self, standin: Standin, trial_days: int, day: int, *, waits: bool
    ) -> None:
        trying(standin, offered(1, 1549))
        high = offered(2, 2299, trial_days=trial_days)
        begins = trial_changes.begins_at(Subscription.objects.get(), high, now=BEGIN + timedelta(days=day))
        assert begins == (END if waits else None)

    def test_that_waits_can_begin_once_no_more_is_left_than_its_own_trial(self, standin: Standin) -> None:
        low, high = offered(1, 1549), offered(2, 2299, trial_days=7)
        customer = trying(standin, low)
        choose(customer, high)
        with at(LATER):
            again = customer.post("subscription/quotes", {"price": str(high.pk)})
        assert (again.json()["code"], stands()) == ("change_not_possible", ("trialing", 1549, 2299, END))
        quote, _ = choose(customer, high, moment=BEGIN + timedelta(days=7))
        assert (quote["begins_at"], stands()) == (None, ("trialing", 2299, None, END))
        assert run(END) == ["succeeded"]
        assert (stands()[:3], amounts(standin)) == (("active", 2299, None), [2299])

    def test_that_wants_a_card_begins_with_one_that_has_had_no_trial(self, standin: Standin) -> None:
        low, high = offered(1, 1549, needs_card=False), offered(2, 2299)
        other = trying(standin, high)
        assert Trial.objects.get().card_digest
        customer = Customer(standin)
        assert try_it(customer, low).status_code == 201
        with at(LATER):
            quote = customer.post("subscription/quotes", {"price": str(high.pk)}).json()

        def accept() -> Any:
            with at(LATER):
                return customer.post(f"subscription/quotes/{quote['id']}/accept", key=str(uuid4())).json()

        def has() -> list[Any]:
            mine = Subscription.objects.filter(account=customer.account)
            return list(mine.values_list("price__amount", "pending_price").get())

        assert (accept()["code"], has()) == ("payment_method_required", [1549, None])
        with at(LATER):
            customer.save_card()
        assert (accept()["code"], has()) == ("trial_used", [1549, None])
        with at(LATER):
            customer.save_card("5555555555554444")
        assert accept()["payment"]["status"] == "succeeded"
        assert has() == [2299, None]
        assert Trial.objects.get(account=customer.account).card_digest not in {
            "", Trial.objects.get(account=other.account).card_digest
        }  # fmt: skip


class TestLowerPlan:
    def test_leaves_what_the_trial_has_until_its_end(self, standin: Standin) -> None:
        low, high = offered(1, 1549), offered(2, 2299)
        customer = trying(standin, high)
        quote, accepted = choose(customer, low)
        assert quote["begins_at"] == quote["trial_ends_at"] == "2026-01-31T20:30:00Z"
        assert (accepted.status_code, stands()) == (200, ("trialing", 2299, 1549, END))
        # The plan of before is chosen again, which is what was billed: nothing is left of the other.
        choose(customer, high, moment=LATER + timedelta(days=1))
        assert stands() == ("trialing", 2299, None, END)
        choose(customer, low, moment=LATER + timedelta(days=2))
        assert run(END) == ["succeeded"]
        assert (stands()[:3], amounts(standin)) == (("active", 1549, None), [1549])


class TestOtherInterval:
    def test_is_billed_whole_from_the_end_of_the_trial_on(self, standin: Standin) -> None:
        monthly = offered(1, 1549)
        yearly = PriceFactory.create(plan=monthly.plan, amount=15490, interval=YEAR, trial_days=14)
        customer = trying(standin, monthly)
        quote, _ = choose(customer, yearly)
        assert (quote["due"], quote["next_bill"]["amount"]) == (0, 15490)
        assert run(END) == ["succeeded"]
        assert stands() == ("active", 15490, None, datetime(2027, 1, 31, 20, 30, tzinfo=UTC))
        assert amounts(standin) == [15490]

    def test_that_waits_is_billed_whole_too(self, standin: Standin) -> None:
        monthly = offered(1, 1549)
        yearly = PriceFactory.create(plan=monthly.plan, amount=15490, interval=YEAR)
        customer = trying(standin, monthly)
        choose(customer, yearly)
        assert stands() == ("trialing", 1549, 15490, END)
        assert run(END) == ["succeeded"]
        assert stands() == ("active", 15490, None, datetime(2027, 1, 31, 20, 30, tzinfo=UTC))

    @pytest.mark.rule("4.8")
    def test_keeps_the_coupon_for_the_first_charge(self, standin: Standin) -> None:
        Coupon.objects.create(code="HALF", percent=50, periods=1)
        low, high = offered(1, 1549), offered(2, 2299)
        customer = trying(standin, low, coupon="HALF")
        quote, _ = choose(customer, high)
        assert quote["next_bill"]["amount"] == 1149
        run(END)
        run(datetime(2026, 2, 28, 20, 30, tzinfo=UTC))
        assert amounts(standin) == [1149, 2299]


class TestQuote:
    def test_of_a_trial_is_worth_nothing_once_it_is_over(self, standin: Standin) -> None:
        """Accepted a moment later it would give a higher plan's features for nothing."""
        low, high = offered(1, 1549), offered(2, 2299)
        customer = trying(standin, low)
        with at(END - timedelta(minutes=10)):
            quote = customer.post("subscription/quotes", {"price": str(high.pk)}).json()
        assert quote["expires_at"] == "2026-01-31T20:30:00Z"
        Quote.objects.update(expires_at=END + timedelta(minutes=20))
        assert run(END) == ["succeeded"]
        with at(END + timedelta(minutes=5)):
            refused = customer.post(f"subscription/quotes/{quote['id']}/accept", key="k")
        assert refused.json()["code"] == "quote_expired"
        assert (stands()[:3], amounts(standin)) == (("active", 1549, None), [1549])

    def test_of_what_is_billed_anyway_and_of_who_leaves_is_refused(self, standin: Standin) -> None:
        low, high = offered(1, 1549), offered(2, 2299)
        customer = trying(standin, low)
        with at(LATER):
            asked = customer.post("subscription/quotes", {"price": str(low.pk)})
            assert asked.json()["code"] == "change_not_possible"
            customer.post("subscription/cancel")
            assert customer.post("subscription/quotes", {"price": str(high.pk)}).json()["code"] == "change_not_possible"
        assert (Quote.objects.count(), stands()) == (0, ("trialing", 1549, None, END))

    def test_accepted_again_changes_nothing_and_tells_nothing(self, standin: Standin) -> None:
        low, high = offered(1, 1549), offered(2, 2299, trial_days=0)
        customer = trying(standin, low)
        quote, _ = choose(customer, high)
        with at(LATER):
            again = customer.post(f"subscription/quotes/{quote['id']}/accept", key="again")
        assert (again.status_code, stands()) == (200, ("trialing", 1549, 2299, END))
        assert told() == ["trial_started", "trial_changed"]

    def test_that_would_charge_within_a_trial_is_refused_by_the_database(self, standin: Standin) -> None:
        customer = trying(standin, offered(1, 1549))
        choose(customer, offered(2, 2299))
        with pytest.raises(IntegrityError, match="quote_within_trial_charges_nothing"), transaction.atomic():
            Quote.objects.update(due=1)

    def test_is_accepted_in_the_order_of_locks(self, standin: Standin) -> None:
        low, high = offered(1, 1549), offered(2, 2299)
        customer = trying(standin, low)
        with CaptureQueriesContext(connection) as queries:
            choose(customer, high)
        locked = first_locks(queries)
        assert locked == in_order(locked)
        assert "billing_subscription" in locked

    @pytest.mark.django_db(transaction=True)
    def test_and_the_conversion_that_meet_charge_one_first_period(self, standin: Standin) -> None:
        low, high = offered(1, 1549), offered(2, 2299)
        customer = trying(standin, low)
        moment = END - timedelta(seconds=1)
        with at(moment):
            quote = customer.post("subscription/quotes", {"price": str(high.pk)}).json()

        key = RequestKey.of(account_id=customer.account.pk, operation="accept", key="k", body=None)

        def accept() -> str:
            try:
                changes.accept(
                    account_id=customer.account.pk, quote_id=UUID(quote["id"]), request_key=key,
                    gateway=stripe_gateway.connect(), now=moment,
                )  # fmt: skip
            except DomainError as error:
                return error.code
            return "accepted"

        def renew() -> str:
            return str(len(renewals.run(gateway=stripe_gateway.connect(), clock=lambda: END, limit=1)))

        answered, _ = at_once(accept, renew)
        # The one that came second saw the other, or its row was locked and its turn comes again.
        renew()
        charged = {"accepted": 2299, "quote_expired": 1549, "payment_under_way": 1549}[answered]
        assert (stands()[:3], amounts(standin)) == (("active", charged, None), [charged])
        assert Invoice.objects.get().total == charged
