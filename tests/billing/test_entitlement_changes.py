"""Whatever is done to a subscription is seen by the very next question, although the answer before it was kept."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from billing import entitlements, selectors
from billing.gateway import ChargeOutcome, DisputeState, OutcomeKind
from billing.models import AccessGrant, Invoice, PaymentAttempt, PaymentMethod, Price, Subscription
from billing.rules import Access
from billing.services import (
    access,
    changes,
    disputes,
    leaving,
    outages,
    pauses,
    refunds,
    renewals,
    returning,
    settlement,
    subscriptions,
    trials,
    withdrawals,
)
from core.idempotency import RequestKey
from core.ids import new_id
from local import paths
from tests.billing.instant import InstantGateway
from tests.factories.accounts import AccountFactory
from tests.factories.billing import NOW, PaymentCustomerFactory, PaymentMethodFactory, PlanFactory, PriceFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.rule("4.21"),
]

DAY = timedelta(days=1)
END = datetime(2026, 2, 28, 10, 30, tzinfo=UTC)
DECLINED = ChargeOutcome(OutcomeKind.DECLINED, code="insufficient_funds")


class Viewer:
    """An account with a card, which asks before and after everything that is done to its subscription."""

    def __init__(self) -> None:
        self.account: UUID = AccountFactory.create(country="DE").pk
        PaymentCustomerFactory.create(account_id=self.account)
        PaymentMethodFactory.create(account_id=self.account)
        self.by = f"account:{self.account}"
        self.gateway = InstantGateway()

    def sees(self, now: datetime, do: Callable[[], object]) -> tuple[Access, Access]:
        """Do something at a time, with a kept answer from before it; answers the access before and after it.

        Asked for this moment, a day and a month later: what is planned changes a later answer alone.
        """
        moments = (now, now + DAY, now + 31 * DAY)
        # Whatever moment was asked for first is the one that is kept.
        self._ask(moments[0])
        before = self._ask(moments[0])
        with time_machine.travel(now, tick=False):
            do()
        after = self._ask(moments[0])
        assert [self._ask(moment) for moment in moments] == [
            entitlements._read(self.account, moment) for moment in moments
        ]
        assert after == entitlements._read(self.account, now)
        return before.access, after.access

    def _ask(self, now: datetime) -> entitlements.Entitlement:
        return selectors.entitlement(account_id=self.account, now=now)

    def subscription(self) -> Subscription:
        return Subscription.objects.live().get(account=self.account)

    def buy(self, price: Price, now: datetime = NOW) -> None:
        subscriptions.subscribe(
            account_id=self.account,
            price_id=price.pk,
            quoted_amount=price.amount,
            country="DE",
            billing_tz="UTC",
            request_key=key(),
            gateway=self.gateway,
            now=now,
            by=self.by,
        )

    def try_it(self, price: Price) -> None:
        trials.start(
            account_id=self.account,
            price_id=price.pk,
            country="DE",
            billing_tz="UTC",
            request_key=key(),
            now=NOW,
            by=self.by,
        )

    def run(self, now: datetime) -> None:
        renewals.run(gateway=self.gateway, clock=lambda: now, limit=10)

    def change(self, price: Price, now: datetime) -> None:
        quoted = changes.quote(account_id=self.account, price_id=price.pk, now=now)
        changes.accept(account_id=self.account, quote_id=quoted.pk, request_key=key(), gateway=self.gateway, now=now)

    def resume(self, price: Price, now: datetime) -> None:
        pauses.resume(
            account_id=self.account,
            quoted_amount=price.amount,
            request_key=key(),
            gateway=self.gateway,
            now=now,
            by=self.by,
        )

    def reactivate(self, amount: int, now: datetime) -> None:
        returning.reactivate(
            account_id=self.account,
            quoted_amount=amount,
            country="DE",
            request_key=key(),
            gateway=self.gateway,
            now=now,
            by=self.by,
        )

    def cancel(self, now: datetime) -> None:
        subscriptions.cancel(account_id=self.account, gateway=self.gateway, now=now, by=self.by)

    def pause(self, now: datetime) -> None:
        pauses.pause(account_id=self.account, months=1, now=now, by=self.by)


def key() -> RequestKey:
    """Answer the key of a request that was never made before."""
    return RequestKey.of(account_id=new_id(), operation="POST /any", key="k", body={})


@pytest.fixture
def viewer() -> Viewer:
    return Viewer()


@pytest.fixture
def price() -> Price:
    return PriceFactory.create()


@pytest.fixture
def subscribed(viewer: Viewer, price: Price) -> Viewer:
    viewer.buy(price)
    return viewer


class TestBeginning:
    def test_by_buying(self, viewer: Viewer, price: Price) -> None:
        assert viewer.sees(NOW, lambda: viewer.buy(price)) == (Access.NONE, Access.SUBSCRIBED)

    def test_by_a_trial_and_its_end(self, viewer: Viewer) -> None:
        price = PriceFactory.create(trial_days=14)
        assert viewer.sees(NOW, lambda: viewer.try_it(price)) == (Access.NONE, Access.SUBSCRIBED)
        end = NOW + 14 * DAY
        assert viewer.sees(end, lambda: viewer.run(end)) == (Access.RENEWAL_PENDING, Access.SUBSCRIBED)

    @pytest.mark.parametrize("without_card", ["cancel", "pause"])
    def test_by_a_trial_that_ends_without_a_card(self, viewer: Viewer, without_card: str) -> None:
        plan = PlanFactory.create(trial_needs_card=False, trial_without_card=without_card)
        price = PriceFactory.create(plan=plan, trial_days=14)
        PaymentMethod.objects.all().delete()
        viewer.try_it(price)
        end = NOW + 14 * DAY
        assert viewer.sees(end, lambda: viewer.run(end)) == (Access.RENEWAL_PENDING, Access.NONE)


class TestResting:
    def test_by_a_pause_its_undoing_its_beginning_and_its_end(self, subscribed: Viewer, price: Price) -> None:
        viewer = subscribed
        asked = (Access.SUBSCRIBED, Access.SUBSCRIBED)
        assert viewer.sees(END - 3 * DAY, lambda: viewer.pause(END - 3 * DAY)) == asked
        undo = END - 2 * DAY
        assert viewer.sees(undo, lambda: pauses.undo(account_id=viewer.account, now=undo, by=viewer.by)) == asked
        viewer.pause(END - DAY)
        assert viewer.sees(END, lambda: viewer.run(END)) == (Access.NONE, Access.NONE)
        back = END + 5 * DAY
        assert viewer.sees(back, lambda: viewer.resume(price, back)) == (Access.NONE, Access.SUBSCRIBED)

    def test_by_a_pause_that_ends_by_itself(self, subscribed: Viewer) -> None:
        viewer = subscribed
        viewer.pause(END - DAY)
        viewer.run(END)
        until = viewer.subscription().resume_at
        assert until is not None
        assert viewer.sees(until, lambda: viewer.run(until)) == (Access.NONE, Access.SUBSCRIBED)


class TestLeaving:
    def test_by_cancelling_and_coming_back_before_the_end_and_after_it(self, subscribed: Viewer, price: Price) -> None:
        viewer = subscribed
        kept = (Access.SUBSCRIBED, Access.SUBSCRIBED)
        assert viewer.sees(NOW + DAY, lambda: viewer.cancel(NOW + DAY)) == kept
        assert viewer.sees(NOW + 2 * DAY, lambda: viewer.reactivate(0, NOW + 2 * DAY)) == kept
        viewer.cancel(NOW + 3 * DAY)
        assert viewer.sees(END, lambda: viewer.run(END)) == (Access.NONE, Access.NONE)
        back = END + DAY
        assert viewer.sees(back, lambda: viewer.reactivate(price.amount, back)) == (Access.NONE, Access.SUBSCRIBED)

    def test_by_withdrawing(self, subscribed: Viewer) -> None:
        viewer, now = subscribed, NOW + 3 * DAY
        seen = viewer.sees(now, lambda: withdrawals.withdraw(account_id=viewer.account, now=now, by=viewer.by))
        assert seen == (Access.SUBSCRIBED, Access.NONE)

    def test_by_a_refund_the_subscription_goes_on(self, subscribed: Viewer) -> None:
        viewer, now = subscribed, NOW + 3 * DAY
        invoice = Invoice.objects.get()
        seen = viewer.sees(
            now, lambda: refunds.request(invoice_id=invoice.pk, amount=1549, reason="asked", by="staff:1", now=now)
        )
        assert seen == (Access.SUBSCRIBED, Access.SUBSCRIBED)

    @pytest.mark.parametrize(("status", "left"), [("won", Access.SUBSCRIBED), ("lost", Access.NONE)])
    def test_by_a_dispute(self, subscribed: Viewer, status: str, left: Access) -> None:
        viewer, now = subscribed, NOW + 3 * DAY
        found = DisputeState(
            id="dp_1",
            payment_intent=PaymentAttempt.objects.get().gateway_id,
            amount=1549,
            currency="USD",
            reason="fraudulent",
            status="needs_response",
        )
        opened = viewer.sees(now, lambda: disputes.record(found=found, now=now))
        assert opened == (Access.SUBSCRIBED, Access.SUBSCRIBED)
        decided = replace(found, status=status)
        assert viewer.sees(now, lambda: disputes.record(found=decided, now=now)) == (Access.SUBSCRIBED, left)

    def test_by_the_end_of_the_account(self, subscribed: Viewer) -> None:
        viewer, now = subscribed, NOW + 3 * DAY
        seen = viewer.sees(now, lambda: leaving.end(account_id=viewer.account, now=now))
        assert seen == (Access.SUBSCRIBED, Access.NONE)


class TestOwing:
    def test_by_grace_hold_and_a_late_payment(self, subscribed: Viewer) -> None:
        viewer = subscribed
        viewer.gateway.outcome = DECLINED
        assert viewer.sees(END, lambda: viewer.run(END)) == (Access.RENEWAL_PENDING, Access.GRACE)
        held = END + 15 * DAY
        for day in range(1, 16):
            viewer.run(END + day * DAY)
        assert viewer.subscription().status == "on_hold"
        attempt = PaymentAttempt.objects.filter(state="failed").latest("pk")
        paid = ChargeOutcome(OutcomeKind.SUCCEEDED, "pi_late")
        seen = viewer.sees(held, lambda: settlement.settle({attempt.pk: paid}, now=held))
        assert seen == (Access.ON_HOLD, Access.SUBSCRIBED)

    def test_by_a_renewal(self, subscribed: Viewer) -> None:
        viewer = subscribed
        assert viewer.sees(END, lambda: viewer.run(END)) == (Access.RENEWAL_PENDING, Access.SUBSCRIBED)

    def test_by_catching_up_from_after_an_outage(self, subscribed: Viewer) -> None:
        viewer, over = subscribed, END + 40 * DAY
        outages.record(
            starts_at=END + 2 * DAY, ends_at=END + 38 * DAY, country="", reason="no service", by="staff:1", now=over
        )
        assert viewer.sees(over, lambda: viewer.run(over)) == (Access.NONE, Access.SUBSCRIBED)
        assert viewer.subscription().cycle == 1


class TestChanging:
    MIDDLE = NOW + 10 * DAY

    def plan(self, viewer: Viewer) -> str:
        plan = selectors.entitlement(account_id=viewer.account, now=self.MIDDLE).plan
        assert plan is not None
        return plan.code

    def test_by_a_paid_upgrade(self, subscribed: Viewer) -> None:
        viewer, higher = subscribed, PriceFactory.create(amount=2299)
        viewer.sees(self.MIDDLE, lambda: viewer.change(higher, self.MIDDLE))
        assert self.plan(viewer) == higher.plan.code

    def test_by_an_upgrade_that_the_next_bill_charges_and_its_undoing(self, subscribed: Viewer, price: Price) -> None:
        viewer, higher = subscribed, PriceFactory.create(amount=2299)
        type(higher.plan.family).objects.update(upgrades_by="next_bill")
        viewer.sees(self.MIDDLE, lambda: viewer.change(higher, self.MIDDLE))
        assert self.plan(viewer) == higher.plan.code
        viewer.sees(
            self.MIDDLE,
            lambda: changes.downgrade(account_id=viewer.account, price_id=price.pk, now=self.MIDDLE, by=viewer.by),
        )
        assert self.plan(viewer) == price.plan.code

    def test_by_a_downgrade_once_it_is_billed(self, viewer: Viewer, price: Price) -> None:
        higher = PriceFactory.create(amount=2299)
        viewer.buy(higher)
        changes.downgrade(account_id=viewer.account, price_id=price.pk, now=self.MIDDLE, by=viewer.by)
        viewer.sees(END, lambda: viewer.run(END))
        assert viewer.subscription().price == price

    def test_by_another_interval(self, subscribed: Viewer, price: Price) -> None:
        viewer = subscribed
        year = PriceFactory.create(plan=price.plan, interval="year", amount=15490)
        viewer.sees(self.MIDDLE, lambda: viewer.change(year, self.MIDDLE))
        paid_through = viewer.subscription().paid_through
        assert paid_through is not None
        assert paid_through > NOW + 365 * DAY


class TestGrants:
    def test_by_giving_and_ending_access(self, viewer: Viewer) -> None:
        def grant() -> None:
            access.grant(
                account_id=viewer.account,
                plan_id=PlanFactory.create().pk,
                kind=AccessGrant.Kind.PRESS,
                reason="a review",
                starts_at=NOW,
                ends_at=NOW + 3 * DAY,
                by="staff:1",
                now=NOW,
            )

        assert viewer.sees(NOW, grant) == (Access.NONE, Access.GRANTED)
        given = AccessGrant.objects.get().pk
        ended = viewer.sees(NOW + DAY, lambda: access.revoke(grant_id=given, by="staff:1", now=NOW + DAY))
        assert ended == (Access.GRANTED, Access.NONE)


class TestWhatItIsMadeOf:
    def test_is_read_in_one_query_and_named(
        self, subscribed: Viewer, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        # One for the subscription, one for grants: a field that `MADE_OF` does not name would be a third.
        with django_assert_num_queries(2):
            assert entitlements._read(subscribed.account, NOW).access is Access.SUBSCRIBED

    def test_is_written_in_one_place(self) -> None:
        files = [*(paths.ROOT / "billing").rglob("*.py")]
        elsewhere = [
            f"{file.relative_to(paths.ROOT)}:{line}"
            for file in files
            if "migrations" not in file.parts and file.name != "records.py"
            for line in writes(ast.parse(file.read_text()))
        ]
        assert elsewhere == []


WRITING = {"save", "update", "bulk_create", "bulk_update", "create", "get_or_create", "update_or_create", "insert"}


def writes(module: ast.Module) -> Iterator[int]:
    """Answer the lines that write subscriptions: by the model, by a row, or by a statement."""
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if any(f"{verb} billing_subscription " in node.value + " " for verb in ("UPDATE", "INTO", "FROM ONLY")):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITING:
            owner = ast.unparse(node.func.value)
            if owner.startswith("Subscription.objects") or owner.split(".")[-1] in {"subscription", "subscriptions"}:
                yield node.lineno
