"""What an account may do: from Valkey while nothing changed, and never a moment longer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings
from redis import Redis

from billing import entitlements, selectors, stripe_gateway
from billing.entitlements import Entitlement
from billing.models import Plan, Setback, Subscription
from billing.rules import Access
from billing.services import ledger, renewals, subscriptions
from local.throwaway import free_port
from tests.billing.customers import Customer
from tests.billing.instant import InstantGateway
from tests.factories.accounts import StaffFactory
from tests.factories.billing import NOW, PriceFactory, make_due
from tests.standin import Standin

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.rule("4.21")]

DUE = NOW + timedelta(days=28)
BEFORE = DUE - timedelta(days=3)


@pytest.fixture
def subscription() -> Subscription:
    return make_due(1, price=PriceFactory.create(), due_at=DUE)[0]


def ask(subscription: Subscription, now: object = BEFORE) -> Entitlement:
    return selectors.entitlement(account_id=subscription.account_id, now=now)  # type: ignore[arg-type]


def truth(account: UUID, now: object = BEFORE) -> Entitlement:
    return entitlements._read(account, now)  # type: ignore[arg-type]


def kept_for(subscription: Subscription, settings: Settings) -> int:
    """Answer for how many more milliseconds the account's answer is kept."""
    return int(Redis.from_url(settings.REDIS_URL).pttl(f"entitlement:{subscription.account_id}"))


class TestWarm:
    def test_costs_no_query(
        self, subscription: Subscription, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        cold = ask(subscription)
        ask(subscription)
        with django_assert_num_queries(0):
            warm = ask(subscription)
        assert warm == cold == truth(subscription.account_id)
        assert (warm.access, warm.valid_until) == (Access.SUBSCRIBED, DUE)
        assert warm.plan is not None
        assert (warm.plan.max_streams, warm.plan.max_resolution) == (2, "1080p")

    def test_says_no_query_either_for_those_who_have_nothing(
        self, subscription: Subscription, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        nobody = StaffFactory.create().pk
        for _ in range(2):
            assert selectors.entitlement(account_id=nobody, now=BEFORE) == entitlements.NOTHING
        with django_assert_num_queries(0):
            assert selectors.entitlement(account_id=nobody, now=BEFORE).entitled is False


class TestBoundary:
    def test_ends_what_is_kept(self, subscription: Subscription, settings: Settings) -> None:
        assert ask(subscription, DUE - timedelta(milliseconds=1)).access is Access.SUBSCRIBED
        assert 0 < kept_for(subscription, settings) <= 1 or kept_for(subscription, settings) == -2
        assert ask(subscription, DUE).access is Access.RENEWAL_PENDING

    def test_is_kept_whatever_time_is_asked_for(self, subscription: Subscription) -> None:
        asked = [BEFORE, DUE, DUE + timedelta(hours=72), BEFORE, DUE + timedelta(hours=71, minutes=59), BEFORE]
        said = [ask(subscription, now).access for now in asked]
        assert said == [
            Access.SUBSCRIBED,
            Access.RENEWAL_PENDING,
            Access.NONE,
            Access.SUBSCRIBED,
            Access.RENEWAL_PENDING,
            Access.SUBSCRIBED,
        ]

    def test_is_never_later_than_a_minute(self, subscription: Subscription, settings: Settings) -> None:
        ask(subscription)
        assert 0 < kept_for(subscription, settings) <= 60_000


class TestChange:
    def _renew(self, subscription: Subscription, now: object) -> None:
        renewals.run(gateway=InstantGateway(), clock=lambda: now, limit=1)  # type: ignore[arg-type, return-value]

    def test_by_renewing_is_seen_at_once(self, subscription: Subscription) -> None:
        assert ask(subscription, DUE).access is Access.RENEWAL_PENDING
        self._renew(subscription, DUE)
        renewed = ask(subscription, DUE)
        assert (renewed.access, renewed) == (Access.SUBSCRIBED, truth(subscription.account_id, DUE))

    def test_by_cancelling_and_taking_it_back_is_seen_at_once(self, subscription: Subscription) -> None:
        account = subscription.account_id
        ask(subscription)
        subscriptions.cancel(account_id=account, gateway=stripe_gateway.connect(), now=BEFORE, by="account:1")
        assert ask(subscription) == truth(account)
        assert ask(subscription, DUE).access is Access.NONE
        subscriptions.undo_cancel(account_id=account, now=BEFORE, by="account:1")
        assert ask(subscription, DUE).access is Access.RENEWAL_PENDING

    def test_of_a_plans_features_is_seen_by_all_who_have_it(self, subscription: Subscription) -> None:
        for _ in range(2):
            ask(subscription)
        plan = subscription.price.plan
        staff = Client()
        staff.force_login(StaffFactory.create(is_superuser=True))
        form = {"name": plan.name, "max_streams": 4, "max_resolution": "2160p", "max_devices": 9, "download_devices": 0}
        answer = staff.post(
            reverse("admin:billing_plan_change", args=[plan.pk]),
            form | {"on_sale": "on", "trial_without_card": "cancel"},
        )
        assert (answer.status_code, Plan.objects.get().max_streams) == (302, 4)
        seen = ask(subscription).plan
        assert seen is not None
        assert (seen.max_streams, seen.max_resolution) == (4, "2160p")

    def test_that_commits_while_the_old_answer_is_being_stored_wins(
        self, subscription: Subscription, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: Callable[..., Entitlement] = entitlements._read

        def slow(account_id: UUID, now: object) -> Entitlement:
            stale = read(account_id, now)
            monkeypatch.setattr(entitlements, "_read", read)
            self._renew(subscription, DUE)
            return stale

        monkeypatch.setattr(entitlements, "_read", slow)
        assert ask(subscription, DUE).access is Access.RENEWAL_PENDING
        assert ask(subscription, DUE).access is Access.SUBSCRIBED

    def test_that_is_rolled_back_changes_no_answer(
        self, subscription: Subscription, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask(subscription, DUE)

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(ledger, "book_payments", fail)
        self._renew(subscription, DUE)
        # It is set aside.
        assert Setback.objects.count() == 1
        assert ask(subscription, DUE).access is Access.RENEWAL_PENDING


class TestWithoutValkey:
    def test_each_question_is_a_query_of_each_source(
        self, subscription: Subscription, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
        for _ in range(2):
            with django_assert_num_queries(len(entitlements.SOURCES)):
                assert ask(subscription).access is Access.SUBSCRIBED


class TestApi:
    def test_opens_and_closes_with_the_payment(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        assert customer.get("entitlement").json()["entitled"] is False
        customer.save_card()
        customer.subscribe(price)
        assert customer.get("entitlement").json()["entitled"] is True
