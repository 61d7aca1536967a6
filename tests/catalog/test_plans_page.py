"""The list of what is to be published and withdrawn later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.urls import reverse

from accounts.models import User
from catalog.models import ScheduledAct, Title
from catalog.services import scheduling
from core import clock
from tests.catalog.test_admin import staff
from tests.catalog.test_editorial import broken
from tests.factories.accounts import AccountFactory
from tests.factories.catalog import TitleFactory

pytestmark = pytest.mark.django_db

__all__ = ["staff"]
DRAFT: dict[str, Any] = {"state": "draft", "published_at": None}
PLANS = "admin:catalog_scheduledact_changelist"
HOUR = timedelta(hours=1)


def plan(title: Title, action: str = "publish", *, hours: int = 1, by: str = "user:7") -> ScheduledAct:
    now = clock.now()
    return scheduling.plan(title_id=title.pk, action=action, at=now + hours * HOUR, by=by, now=now)


def listed(staff: Client, **asked: str) -> str:
    return " ".join(staff.get(reverse(PLANS), asked).content.decode().split())


class TestList:
    def test_is_of_what_is_to_come_the_next_first(self, staff: Client, django_assert_max_num_queries: Any) -> None:
        for number in range(5):
            by = AccountFactory.create(email=f"planner{number}@example.org")
            plan(TitleFactory.create(name=f"Film {number}", **DRAFT), hours=9 - number, by=f"user:{by.pk}")
        with django_assert_max_num_queries(12):
            text = listed(staff)
        places = [text.index(f"Film {number}<") for number in (4, 3, 2, 1, 0)]
        assert places == sorted(places)
        assert all(f"planner{number}@example.org" in text for number in range(5))

    def test_says_what_went_wrong_and_when_it_is_tried_again(self, staff: Client) -> None:
        act = plan(title := TitleFactory.create(**DRAFT))
        with broken(title):
            scheduling.carry_out_due(now=act.at)
        text = listed(staff)
        assert "Went wrong" in text
        assert f"again at {act.at + timedelta(minutes=1):%H:%M}" in text
        assert "Something went wrong, and the log says what." in text

    def test_says_why_something_was_refused_in_the_readers_language(self, staff: Client) -> None:
        act = plan(TitleFactory.create(name="Häxan"))
        scheduling.carry_out_due(now=act.at)
        assert "Häxan" not in listed(staff)
        assert "is public already." in listed(staff, state__exact="refused")
        staff.cookies["django_language"] = "de"
        assert "ist schon öffentlich." in listed(staff, state__exact="refused")

    def test_is_told_of_on_the_titles_page_too(self, staff: Client) -> None:
        act = plan(title := TitleFactory.create(**DRAFT))
        address = reverse("admin:catalog_title_change", args=[title.pk])
        assert f">Publish, {act.at:%Y-%m-%d %H:%M} UTC</a>" in staff.get(address).content.decode()
        scheduling.call_off(act_id=act.pk, by="user:7", now=act.at)
        assert "Publish, " not in staff.get(address).content.decode()

    def test_calls_off_what_is_chosen_and_says_who_did(self, staff: Client) -> None:
        acts = [plan(TitleFactory.create(name=name, **DRAFT)) for name in ("Häxan", "Nosferatu")]
        choose = {"action": "call_off", ACTION_CHECKBOX_NAME: acts[0].pk}
        assert "It is called off." in staff.post(reverse(PLANS), choose, follow=True).content.decode()
        assert (
            "This is not planned, or no longer."
            in staff.post(f"{reverse(PLANS)}?state__exact=all", choose, follow=True).content.decode()
        )
        assert list(ScheduledAct.objects.order_by("pk").values_list("state", flat=True)) == ["cancelled", "pending"]
        text = listed(staff, state__exact="cancelled")
        assert f"Called off by {User.objects.get().email}" in text
