"""What is done to many titles at once, each time after a question."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.services import staff as groups
from catalog.admin.titles import publishing
from catalog.models import AvailabilityWindow, Collection, PublicationEntry, Review, ScheduledAct, Title
from catalog.services import collections
from core import clock
from core.ids import new_id
from tests.catalog.test_admin import staff
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.catalog import NOW, ProviderFactory, TitleFactory, feed, ingest, movie

pytestmark = pytest.mark.django_db
__all__ = ["staff"]
TITLES = "admin:catalog_title_changelist"
DRAFT = {"state": "draft", "published_at": None}


@pytest.fixture
def author(client: Client) -> Client:
    """Somebody who writes about titles and publishes none."""
    groups.sync_groups()
    account = AccountFactory.create(is_staff=True)
    account.groups.add(Group.objects.get(name="author"))
    client.cookies["sessionid"] = sign_in(account)
    return client


def act(client: Client, name: str, /, *titles: Title, **asked: str) -> Any:
    """Choose titles, and answer the question."""
    data: dict[str, Any] = {"action": name, ACTION_CHECKBOX_NAME: [str(title.pk) for title in titles]}
    data |= {"confirmed": "yes", **{f"bulk-{name}": value for name, value in asked.items()}}
    return client.post(reverse(TITLES), data, follow=True)


class TestEachAct:
    @pytest.mark.parametrize("action", list(publishing.ACTS))
    def test_asks_first_and_does_nothing_until_it_is_answered(self, staff: Client, action: str) -> None:
        title = TitleFactory.create(name="Nosferatu")
        page = staff.post(reverse(TITLES), {"action": action, ACTION_CHECKBOX_NAME: [str(title.pk)]})
        assert page.status_code == 200
        assert "Nosferatu (Movie, published)" in page.content.decode()
        title.refresh_from_db()
        assert (title.revision, title.windows.count()) == (1, 1)
        assert not ScheduledAct.objects.exists()
        assert not Review.objects.exists()

    @pytest.mark.parametrize("action", ["publish_selected", "withdraw_selected", "plan_selected", "collect_selected", "license_selected"])  # fmt: skip
    def test_is_not_an_authors(self, author: Client, action: str) -> None:
        title = TitleFactory.create()
        act(author, action, title)
        title.refresh_from_db()
        assert (title.state, title.revision) == ("published", 1)


class TestPublishing:
    def test_says_why_in_the_log(self, staff: Client) -> None:
        titles = TitleFactory.create_batch(2, **DRAFT)
        answer = act(staff, "publish_selected", *titles, reason="Festival week")
        assert "Published 2 titles." in answer.content.decode()
        assert set(PublicationEntry.objects.values_list("title", "reason")) == {
            (title.pk, "Festival week") for title in titles
        }

    def test_names_those_that_refuse(self, staff: Client) -> None:
        draft, public = TitleFactory.create(**DRAFT), TitleFactory.create(name="Metropolis")
        text = act(staff, "publish_selected", draft, public).content.decode()
        assert "Published 1 title." in text
        assert "Metropolis: " in text


class TestPlanning:
    def test_has_all_of_them_done_at_an_instant(self, staff: Client) -> None:
        titles = TitleFactory.create_batch(2)
        at = (clock.now() + timedelta(days=3)).replace(hour=6, minute=0, second=0, microsecond=0)
        act(staff, "plan_selected", *titles, action="withdraw", at_0=f"{at:%Y-%m-%d}", at_1="06:00:00", reason="Ends")
        assert set(ScheduledAct.objects.values_list("title", "action", "at")) == {
            (title.pk, "withdraw", at) for title in titles
        }

    def test_asks_again_for_what_is_missing(self, staff: Client) -> None:
        title = TitleFactory.create()
        page = act(staff, "plan_selected", title, action="withdraw", at_0="", at_1="")
        assert "This field is required." in page.content.decode()
        assert str(title.pk) in page.content.decode()
        assert not ScheduledAct.objects.exists()


class TestReviews:
    def test_are_asked_for_by_who_may_not_publish(self, author: Client) -> None:
        drafts = TitleFactory.create_batch(2, **DRAFT)
        text = act(author, "review_selected", *drafts, TitleFactory.create(), note="Ready").content.decode()
        assert "2 titles wait for a review." in text
        assert "There is nothing to review" in text
        assert list(Review.objects.values_list("note", "state")) == [("Ready", "in_progress")] * 2


class TestCollecting:
    def make(self, **fields: Any) -> Collection:
        values = {
            "slug": "trains",
            "kind": "manual",
            "names": {"en": "Trains"},
            "rule": {},
            "order": "added",
            "most": 9,
        }
        return collections.save(collection_id=new_id(), fields=values | fields, now=NOW)

    def test_puts_them_at_the_end_once(self, staff: Client) -> None:
        collection, titles = self.make(), TitleFactory.create_batch(3)
        collections.save(collection_id=collection.pk, fields={}, title_ids=[titles[1].pk], now=NOW)
        answer = act(staff, "collect_selected", *titles, collection=str(collection.pk))
        assert "Added 2 titles." in answer.content.decode()
        members = collection.members.order_by("position").values_list("title", flat=True)
        assert list(members) == [titles[1].pk, titles[0].pk, titles[2].pk]

    def test_is_refused_where_a_rule_alone_fills_it(self, staff: Client) -> None:
        collection, title = self.make(kind="rule", rule={"kinds": ["movie"]}), TitleFactory.create()
        with pytest.raises(collections.CollectionInvalid):
            collections.add(collection_id=collection.pk, title_ids=[title.pk], now=NOW)
        assert "Select a valid choice" in act(staff, "collect_selected", title, collection=str(collection.pk)).content.decode()  # fmt: skip
        assert not collection.members.exists()


class TestLicensing:
    GRANT = {
        "license_type": "SVOD", "territories": "DE,AT", "starts_on": "2026-05-01", "ends_on": "2026-08-01",
        "contract_id": "C-7",
    }  # fmt: skip

    def test_adds_one_beside_those_that_are_there_and_deliveries_leave_them_alone(self, staff: Client) -> None:
        provider = ProviderFactory.create()
        window = {"license_type": "SVOD", "territories": ["GB"], "start": "2026-01-01T06:00:00Z"}
        ingest(feed(movie(1, availability=[window])), provider)
        title = Title.objects.get()
        assert "Licensed 1 title." in act(staff, "license_selected", title, **self.GRANT).content.decode()
        granted = AvailabilityWindow.objects.order_by("pk").values_list("territories", "contract_id", "starts_at")
        assert [row[:2] for row in granted] == [(["GB"], ""), (["DE", "AT"], "C-7")]
        assert granted[0][2] is not None
        title.refresh_from_db()
        assert title.edited == ["windows"]
        ingest(feed(movie(1, runtime_seconds=7, availability=[window])), provider)
        assert title.windows.count() == 2
        assert "has this licence already" in act(staff, "license_selected", title, **self.GRANT).content.decode()
        assert title.windows.count() == 2

    def test_refuses_what_no_licence_can_be(self, staff: Client) -> None:
        title = TitleFactory.create()
        page = act(staff, "license_selected", title, **self.GRANT | {"territories": "UK"}).content.decode()
        assert "the United Kingdom is GB" in page
        page = act(staff, "license_selected", title, **self.GRANT | {"ends_on": "2026-04-01"}).content.decode()
        assert "It would end before it begins" in page
        assert title.windows.count() == 1


class TestGarbage:
    def test_names_no_title(self, staff: Client) -> None:
        title = TitleFactory.create(**DRAFT)
        data = {"action": "publish_selected", ACTION_CHECKBOX_NAME: ["garbage", str(title.pk)], "confirmed": "yes"}
        answer = staff.post(reverse(TITLES), data, follow=True)
        assert answer.status_code == 200
        title.refresh_from_db()
        assert title.state == "published"
