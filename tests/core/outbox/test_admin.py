"""Staff find what failed, and decide."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from core import outbox
from core.models import OutboxDelivery
from tests.core.outbox.probe import NOW, effects, faults, publish

pytestmark = pytest.mark.usefixtures("probed")

LIST = "admin:core_outboxdelivery_changelist"


@pytest.fixture
def parked(probed: None, settings: LazySettings) -> OutboxDelivery:
    settings.OUTBOX_MAX_FAILURES = 1
    publish("a", [1, 2])
    faults["a", 1] = 1
    outbox.relay(clock=lambda: NOW)
    return OutboxDelivery.objects.get(state="parked")


@pytest.fixture
def staff(db: None) -> User:
    """Staff who may see deliveries and decide about them."""
    user = User.objects.create_user("editor@example.com", is_staff=True)
    names = ["view_outboxdelivery", "change_outboxdelivery"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


@pytest.fixture
def browser(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


def decide(browser: Client, action: str, delivery: OutboxDelivery, reason: str) -> str:
    """Run an action and answer the page it leads to."""
    answer = browser.post(
        reverse(LIST),
        {"action": action, "_selected_action": [delivery.pk], "reason": reason, "index": 0, "select_across": 0},
        follow=True,
    )
    assert answer.status_code == 200
    return answer.content.decode()


class TestList:
    def test_shows_what_is_open_and_why(self, browser: Client, parked: OutboxDelivery) -> None:
        page = browser.get(reverse(LIST))
        assert page.status_code == 200
        assert [row.pk for row in page.context["cl"].result_list] == [parked.pk + 2, parked.pk]
        assert "Broken: a 1" in page.content.decode()

    @pytest.mark.parametrize(("state", "number"), [("parked", 1), ("pending", 1), ("delivered", 2), ("skipped", 0)])
    def test_filters_by_state(self, browser: Client, parked: OutboxDelivery, state: str, number: int) -> None:
        assert len(browser.get(reverse(LIST), {"state": state}).context["cl"].result_list) == number

    def test_filters_by_handler(self, browser: Client, parked: OutboxDelivery) -> None:
        query = {"state": "delivered", "handler": "probe.record"}
        assert len(browser.get(reverse(LIST), query).context["cl"].result_list) == 0

    def test_finds_an_aggregate(self, browser: Client, parked: OutboxDelivery) -> None:
        for searched, number in (("lane:a", 2), ("lane:b", 0)):
            assert len(browser.get(reverse(LIST), {"q": searched}).context["cl"].result_list) == number

    def test_costs_the_same_however_many_there_are(
        self, browser: Client, parked: OutboxDelivery, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        publish("c", range(30))
        # session, user, two of rights, counting, rows; and content types, cached or not
        with django_assert_num_queries(7):
            assert browser.get(reverse(LIST)).status_code == 200


class TestPage:
    def test_shows_the_payload_and_changes_nothing(self, browser: Client, parked: OutboxDelivery) -> None:
        address = reverse("admin:core_outboxdelivery_change", args=[parked.pk])
        page = browser.get(address)
        assert "&quot;number&quot;: 1" in page.content.decode()
        assert browser.post(address, {"state": "delivered"}).status_code == 403

    def test_names_who_decided(self, browser: Client, parked: OutboxDelivery) -> None:
        decide(browser, "skip", parked, "A test account.")
        page = browser.get(reverse("admin:core_outboxdelivery_change", args=[parked.pk])).content.decode()
        assert "editor@example.com" in page
        assert "A test account." in page


class TestDecision:
    @pytest.mark.parametrize(("action", "order"), [("retry", [1, 2]), ("skip", [2])])
    def test_moves_the_lane_on_and_is_remembered(
        self, browser: Client, staff: User, parked: OutboxDelivery, action: str, order: list[int]
    ) -> None:
        decide(browser, action, parked, "The bug is mended.")
        outbox.relay(clock=lambda: NOW)
        assert effects() == {"a": order}
        parked.refresh_from_db()
        assert (parked.decision, parked.decided_by, parked.decision_reason) == (
            action,
            str(staff.pk),
            "The bug is mended.",
        )
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id) == (staff, str(parked.pk))
        assert "The bug is mended." in entry.change_message

    def test_without_a_reason_changes_nothing_and_says_so(self, browser: Client, parked: OutboxDelivery) -> None:
        assert "Give a reason." in decide(browser, "skip", parked, "")
        parked.refresh_from_db()
        assert (parked.state, parked.decision) == ("parked", "")
        assert not LogEntry.objects.exists()

    def test_is_not_for_staff_who_may_only_look(self, browser: Client, staff: User, parked: OutboxDelivery) -> None:
        staff.user_permissions.remove(Permission.objects.get(codename="change_outboxdelivery"))
        decide(browser, "skip", parked, "because")
        parked.refresh_from_db()
        assert parked.state == "parked"
