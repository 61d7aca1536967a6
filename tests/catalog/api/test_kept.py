"""Answers that are kept in Valkey are right all the same: to the second, and for everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import Profile
from catalog.models import Genre, Person, ProfileBlock, Provider, Title, TitleGenre
from catalog.services import artwork, blocks, editing, kept, matching, people, publication
from tests.catalog.test_admin import staff
from tests.factories import catalog as make
from tests.factories.accounts import AccountFactory, KidsProfileFactory, ProfileFactory, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["staff"]

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_germany(settings: Any) -> None:
    settings.DEFAULT_COUNTRY = "DE"
    kept._forget()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def viewer(factory: Any = ProfileFactory, **values: Any) -> Client:
    account = AccountFactory.create()
    token = sign_in(account, profile=factory.create(account=account, **values))
    return Client(headers={"X-Session-Token": token})


def names(client: Client) -> list[str]:
    answer = client.get("/api/v1/titles")
    assert answer.status_code == 200
    return [title["name"] for title in answer.json()["results"]]


def status(client: Client, title: Title) -> int:
    return client.get(f"/api/v1/titles/{title.pk}").status_code


class TestKeptAnswers:
    def test_cost_no_query_and_three_when_they_are_made(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        title = make.TitleFactory.create()
        make.CreditFactory.create(title=title)
        client = viewer()
        client.get("/api/v1/genres")  # who asks is known from now on
        for address in (f"/api/v1/titles/{title.pk}", "/api/v1/titles"):
            with django_assert_num_queries(3):
                made = client.get(address)
            with django_assert_num_queries(0):
                again = client.get(address)
            assert (again.content, again["ETag"]) == (made.content, made["ETag"])
            assert again["Cache-Control"] == "private, no-cache"
            assert {"Accept-Language", "Cookie", "X-Session-Token"} <= set(again["Vary"].split(", "))
            assert client.get(address, headers={"If-None-Match": made["ETag"]}).status_code == 304

    def test_end_at_the_second_at_which_a_licence_begins(self, clock: time_machine.Traveller) -> None:
        title = make.TitleFactory.create(name="Pier", window={"starts_at": NOON + timedelta(seconds=30)})
        client = viewer()
        assert (names(client), status(client, title)) == ([], 404)
        clock.move_to(NOON + timedelta(seconds=29, milliseconds=999))
        assert (names(client), status(client, title)) == ([], 404)
        clock.move_to(NOON + timedelta(seconds=30))
        assert (names(client), status(client, title)) == (["Pier"], 200)

    def test_end_at_the_second_at_which_a_licence_ends(self, clock: time_machine.Traveller) -> None:
        title = make.TitleFactory.create(name="Pier", window={"ends_at": NOON + timedelta(seconds=30)})
        client = viewer()
        clock.move_to(NOON + timedelta(seconds=29, milliseconds=999))
        assert (names(client), status(client, title)) == (["Pier"], 200)
        clock.move_to(NOON + timedelta(seconds=30))
        assert (names(client), status(client, title)) == ([], 404)

    def test_end_at_midnight_of_the_country(self, clock: time_machine.Traveller) -> None:
        before = datetime(2026, 3, 4, 22, 59, 59, tzinfo=UTC)  # Berlin is an hour ahead
        clock.move_to(before)
        make.TitleFactory.create(name="Pier", window={"starts_on": before.date() + timedelta(days=1)})
        client = viewer()
        assert names(client) == []
        clock.move_to(before + timedelta(seconds=1))
        assert names(client) == ["Pier"]

    @pytest.mark.parametrize("act", ["withdraw", "edit", "merge", "deliver", "retire"])
    def test_end_with_each_change(self, act: str) -> None:
        provider = make.ProviderFactory.create()
        make.ingest(make.feed(make.movie(1), make.movie(2)), provider)
        client = viewer()
        assert names(client) == ["Film 2", "Film 1"]
        first, second = Title.objects.order_by("pk")
        assert status(client, first) == status(client, second) == 200
        acts: dict[str, Callable[[], Any]] = {
            "withdraw": lambda: publication.withdraw(title_id=first.pk, by="user:1", now=NOON),
            "edit": lambda: editing.edit(
                title_id=first.pk,
                fields={},
                parts={"texts": [{"language": "en", "name": "Pier"}]},
                by="user:1",
                now=NOON,
            ),
            "merge": lambda: matching.merge(kept_id=second.pk, merged_id=first.pk, by="user:1", now=NOON),
            "deliver": lambda: make.ingest(make.feed(make.movie(1, titles={"en": "Pier"}), make.movie(2)), provider),
            "retire": lambda: make.ingest(
                make.feed(make.header("full"), make.movie(2)), Provider.objects.get(pk=provider.pk)
            ),
        }
        if act == "retire":
            Provider.objects.update(max_retired_percent=100)
        acts[act]()
        expected = {"edit": ["Film 2", "Pier"], "deliver": ["Film 2", "Pier"]}
        assert names(client) == expected.get(act, ["Film 2"])
        assert status(client, first) == (404 if act in {"withdraw", "retire"} else 200)

    @pytest.mark.parametrize("model", [Genre, Person])
    def test_end_when_what_they_name_is_renamed_in_the_admin(self, staff: Client, model: Any) -> None:
        title = make.TitleFactory.create()
        if model is Person:
            named: Any = Person.objects.create(name="Old")
            make.CreditFactory.create(title=title, person=named)
        else:
            named = Genre.objects.create(slug="old", name="Old")
            TitleGenre.objects.create(title=title, genre=named, position=0)
        client, address = viewer(), f"/api/v1/titles/{title.pk}"
        assert b'"Old"' in client.get(address).content
        change = reverse(f"admin:catalog_{model._meta.model_name}_change", args=[named.pk])
        answer = staff.post(change, {"name": "New", "slug": "old", "parent": ""})
        assert answer.status_code == 302
        shown = client.get(address).content
        assert (b'"Old"' in shown, b'"New"' in shown) == (False, True)

    def test_end_with_each_change_of_an_image(self) -> None:
        title = make.TitleFactory.create()
        client = viewer()

        def images() -> Any:
            return client.get(f"/api/v1/titles/{title.pk}").json()["artwork"]

        assert images() == {}
        image = artwork.attach(title_id=title.pk, kind="poster", data=make.picture(), by="user:7", now=NOON)
        stored = images()["poster"]
        artwork.work(now=NOON, limit=1)
        sized = images()["poster"]
        assert (bool(stored["placeholder"]), bool(sized["placeholder"])) == (False, True)
        artwork.focus(image_id=image.pk, point=(0.25, 0.75), by="user:7", now=NOON)
        assert images()["poster"] == sized | {"focal_x": 0.25, "focal_y": 0.75}
        artwork.remove(image_id=image.pk, by="user:7", now=NOON)
        assert images() == {}

    def test_end_when_people_are_merged(self) -> None:
        title = make.TitleFactory.create()
        one, other = (Person.objects.create(name=name) for name in ("One", "Other"))
        make.CreditFactory.create(title=title, person=other)
        client, address = viewer(), f"/api/v1/titles/{title.pk}"
        assert b'"Other"' in client.get(address).content
        people.merge(kept_id=one.pk, merged_id=other.pk, by="user:1", now=NOON)
        assert b'"One"' in client.get(address).content

    def test_are_not_anothers(self) -> None:
        mild, strict = make.TitleFactory.create(name="Mild"), make.TitleFactory.create(name="Strict")
        for title, age in ((mild, 6), (strict, 16)):
            make.RatingFactory.create(title=title, country="DE", system="FSK", value=str(age), minimum_age=age)
        adult, child = viewer(highest_age=18), viewer(KidsProfileFactory, highest_age=6)
        tag = adult.get("/api/v1/titles")["ETag"]
        assert names(adult) == ["Strict", "Mild"]
        assert names(child) == ["Mild"]
        assert (status(adult, strict), status(child, strict)) == (200, 404)
        # One cache for both on one device: what the adult saw is not taken for the child's.
        assert child.get("/api/v1/titles", headers={"If-None-Match": tag}).status_code == 200
        assert child.get(f"/api/v1/titles/{strict.pk}", headers={"If-None-Match": "*"}).status_code == 404

    def test_of_a_profile_with_blocks_are_its_own(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        pier, tide = make.TitleFactory.create(name="Pier"), make.TitleFactory.create(name="Tide")
        profile = ProfileFactory.create()
        other = ProfileFactory.create(account=profile.account)
        clients = [Client(headers={"X-Session-Token": sign_in(one.account, profile=one)}) for one in (profile, other)]
        mine, others = clients
        tag = others.get("/api/v1/titles")["ETag"]
        assert names(mine) == names(others) == ["Tide", "Pier"]

        def block(one: Profile, title: Title) -> ProfileBlock:
            return blocks.add(account_id=one.account_id, profile_id=one.pk, kind="title", of=title.pk, now=NOON)

        made = block(profile, pier)
        assert (names(mine), names(others)) == (["Tide"], ["Tide", "Pier"])
        assert [status(client, pier) for client in clients] == [404, 200]
        # One cache for both on one device: what the other saw is not taken for this one's.
        assert mine.get("/api/v1/titles", headers={"If-None-Match": tag}).status_code == 200
        assert mine.get(f"/api/v1/titles/{pier.pk}", headers={"If-None-Match": "*"}).status_code == 404
        # Both block the same, and still neither has the other's answers: one may lift it meanwhile.
        block(other, pier)
        assert names(others) == ["Tide"]
        blocks.remove(account_id=profile.account_id, profile_id=profile.pk, block_id=made.pk, now=NOON)
        assert (names(mine), names(others)) == (["Tide", "Pier"], ["Tide"])
        kept._forget()
        others.get("/api/v1/genres")
        for address in (f"/api/v1/titles/{tide.pk}", "/api/v1/titles"):
            for queries in (3, 0):
                with django_assert_num_queries(queries):
                    assert others.get(address).status_code == 200

    def test_of_two_profiles_with_blocks_are_never_mixed(self) -> None:
        seen = []
        for name in ("Pier", "Tide"):
            title, profile = make.TitleFactory.create(name=name), ProfileFactory.create()
            blocks.add(account_id=profile.account_id, profile_id=profile.pk, kind="title", of=title.pk, now=NOON)
            seen.append(Client(headers={"X-Session-Token": sign_in(profile.account, profile=profile)}))
        assert [names(client) for client in seen] == [["Tide"], ["Pier"]]

    def test_are_not_kept_when_the_catalogue_changes_while_they_are_made(self) -> None:
        title = make.TitleFactory.create(name="Pier")
        names(viewer())

        def read_then_lose() -> list[str]:
            seen = list(title.texts.values_list("name", flat=True))
            publication.withdraw(title_id=title.pk, by="user:1", now=NOON)
            return seen

        kept.answer(["list"], "DE", NOON, read_then_lose)
        assert kept.answer(["list"], "DE", NOON, lambda: ["anew"]).body == b'["anew"]'

    def test_of_a_catalogue_that_has_changed_give_way_to_the_next(self) -> None:
        for n in range(3):
            assert kept.answer(["list"], "DE", NOON, lambda: n).body == b"%d" % n  # noqa: B023 - called at once
            assert kept.answer(["list"], "DE", NOON, lambda: "not made").body == b"%d" % n
            kept._forget()

    def test_are_left_alone_by_what_is_rolled_back(self) -> None:
        kept.answer(["list"], "DE", NOON, lambda: 1)
        with transaction.atomic():
            kept.changed()
            transaction.set_rollback(True)
        assert kept.answer(["list"], "DE", NOON, lambda: 2).body == b"1"

    def test_are_made_when_valkey_is_away(self, settings: Any) -> None:
        make.TitleFactory.create(name="Pier")
        client = viewer()
        assert names(client) == ["Pier"]
        settings.REDIS_URL = "redis://127.0.0.1:9/0"
        assert kept.answer(["list"], "DE", NOON, lambda: "made").body == b'"made"'
        publication.withdraw(title_id=Title.objects.get().pk, by="user:1", now=NOON)
        assert kept.answer(["list"], "DE", NOON, lambda: "made anew").body == b'"made anew"'
