"""What a title that was merged answers to whoever changes it or names it: one rule for all services."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.files.base import ContentFile
from django.db import models
from django.test import Client
from django.urls import reverse

from accounts.models import User
from catalog import services
from catalog.models import (
    Artwork,
    Collection,
    CollectionTitle,
    EditLock,
    MediaPackage,
    MediaSource,
    MediaSubtitles,
    PublicationEntry,
    Review,
    Revision,
    ScheduledAct,
    Title,
    TitleMerge,
)
from catalog.services import (
    artwork,
    blocks,
    bulk,
    collections,
    editing,
    licensing,
    locks,
    matching,
    media,
    publication,
    reviews,
    scheduling,
    titles,
)
from core.ids import new_id
from tests.factories.accounts import AccountFactory, ProfileFactory, sign_in
from tests.factories.catalog import NOW, SeasonFactory, TitleFactory, picture

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(hours=1)
BY: Mapping[str, Any] = {"by": "user:7", "now": LATER}
SRT = b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"

CHANGES: Mapping[str, Callable[[UUID], object]] = {
    "artwork.images.attach": lambda one: artwork.attach(title_id=one, kind="poster", data=picture(), **BY),
    "editing.create": lambda one: editing.create(
        title_id=new_id(), kind="season", parent_id=one, fields={"number": 9}, parts={}, **BY
    ),
    "editing.edit": lambda one: editing.edit(title_id=one, fields={"runtime_seconds": 5}, parts={}, **BY),
    "editing.revert": lambda one: editing.revert(title_id=one, number=1, **BY),
    "licensing.grant": lambda one: licensing.grant(
        title_id=one, window={"territories": ["DE"]}, may_publish=True, **BY
    ),
    "locks.lock": lambda one: locks.lock(title_id=one, **BY),
    "media.attaching.attach": lambda one: media.attach(
        title_id=one, name="film.mp4", content=ContentFile(b"film"), **BY
    ),
    "media.attaching.attach_stored": lambda one: media.attach_stored(title_id=one, place="film.mp4", **BY),
    "media.attaching.attach_subtitles": lambda one: media.attach_subtitles(
        title_id=one, language="de", role="caption", name="de.srt", data=SRT, **BY
    ),
    "media.attaching.remove_subtitles": lambda one: media.remove_subtitles(
        title_id=one, language="de", role="caption", **BY
    ),
    "publication.publish": lambda one: publication.publish(title_id=one, **BY),
    "publication.withdraw": lambda one: publication.withdraw(title_id=one, **BY),
    "reviews.change": lambda one: reviews.change(
        title_id=one, fields={"runtime_seconds": 5}, parts={}, may_publish=False, **BY
    ),
    "reviews.request": lambda one: reviews.request(title_id=one, **BY),
    "reviews.request_revert": lambda one: reviews.request_revert(title_id=one, number=1, **BY),
    "reviews.revert": lambda one: reviews.revert(title_id=one, number=1, may_publish=False, **BY),
    "scheduling.plan": lambda one: scheduling.plan(title_id=one, action="publish", at=LATER, by="user:7", now=NOW),
}
"""Services that change a title, by a change of it."""

OTHERS = {
    "editing.refuse_outdated",
    "editing.way_back",
    "locks.unlock",
    "titles.changeable",
    "titles.locked",
}
"""What takes a title's id and changes nothing of it, or only ends what an editor had begun."""

WRITTEN: tuple[type[models.Model], ...] = (
    Artwork, CollectionTitle, EditLock, MediaPackage, MediaSource, MediaSubtitles, PublicationEntry, Review, Revision,
    ScheduledAct, Title,
)  # fmt: skip


def taking_a_title() -> set[str]:
    """Answer the services, by module and name, that take the id of one title; deliveries know titles by their records."""
    found, within = set(), f"{services.__name__}."
    for module in pkgutil.walk_packages([str(Path(str(services.__file__)).parent)], within):
        place = module.name.removeprefix(within)
        for name, act in inspect.getmembers(import_module(module.name), inspect.isfunction):
            is_own = act.__module__ == module.name and not name.startswith("_") and not place.startswith("ingestion")
            if is_own and "title_id" in inspect.signature(act).parameters:
                found.add(f"{place}.{name}")
    return found


def written() -> list[Any]:
    return [list(model._default_manager.order_by("pk").values()) for model in WRITTEN]


@pytest.fixture
def kept() -> Title:
    return TitleFactory.create(name="Stays", kind="series")


@pytest.fixture
def merged(kept: Title) -> Title:
    """A title of two versions, an image and a lock, that was merged into another."""
    title = TitleFactory.create(name="Goes", kind="series")
    editing.edit(title_id=title.pk, fields={"runtime_seconds": 60}, parts={}, by="user:7", now=NOW)
    artwork.attach(title_id=title.pk, kind="still", data=picture(), by="user:7", now=NOW)
    matching.merge(kept_id=kept.pk, merged_id=title.pk, by="user:7", now=NOW)
    title.refresh_from_db()
    return title


class TestWhatIsChanged:
    def test_is_every_service_that_takes_a_title(self) -> None:
        assert taking_a_title() == CHANGES.keys() | OTHERS

    @pytest.mark.parametrize("act", CHANGES.values(), ids=CHANGES.keys())
    def test_is_told_where_to_change_it_and_nothing_is(
        self, act: Callable[[UUID], object], kept: Title, merged: Title
    ) -> None:
        before = written()
        with pytest.raises(titles.TitleMerged, match=str(kept.pk)):
            act(merged.pk)
        assert written() == before

    @pytest.mark.parametrize(
        "act",
        [
            lambda image: artwork.describe(image_id=image, kind="poster", language="de", **BY),
            lambda image: artwork.focus(image_id=image, point=(0.1, 0.1), **BY),
            lambda image: artwork.remove(image_id=image, **BY),
            lambda image: artwork.retry(image_id=image),
        ],
        ids=["describe", "focus", "remove", "retry"],
    )
    def test_is_told_of_its_images_too(self, act: Callable[[int], object], merged: Title) -> None:
        before = written()
        with pytest.raises(titles.TitleMerged):
            act(merged.artwork.get().pk)
        assert written() == before

    def test_is_told_of_each_among_many(self, kept: Title, merged: Title) -> None:
        outcome = bulk.withdraw(title_ids=[kept.pk, merged.pk], **BY)
        refused = {title_id: error.code for title_id, error in outcome.refused.items()}
        assert (outcome.done, refused) == (1, {merged.pk: "title_merged"})

    def test_can_be_released_by_whoever_kept_it(self) -> None:
        kept, merged = TitleFactory.create(), TitleFactory.create()
        locks.lock(title_id=merged.pk, **BY)
        matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:8", now=LATER)
        locks.unlock(title_id=merged.pk, by="user:7")
        assert not EditLock.objects.exists()

    def test_by_a_review_is_told_and_the_review_can_be_taken_back(self) -> None:
        kept, draft = TitleFactory.create(), TitleFactory.create(state="draft", published_at=None)
        review = reviews.request(title_id=draft.pk, **BY)
        matching.merge(kept_id=kept.pk, merged_id=draft.pk, by="user:8", now=LATER)
        with pytest.raises(titles.TitleMerged):
            reviews.approve(review_id=review.pk, by="user:8", now=LATER)
        assert reviews.cancel(review_id=review.pk, by="user:8", now=LATER).state == "cancelled"

    def test_by_a_plan_is_refused_with_the_reason(self) -> None:
        kept, draft = TitleFactory.create(), TitleFactory.create(state="draft", published_at=None)
        act = scheduling.plan(title_id=draft.pk, action="publish", at=LATER, by="user:7", now=NOW)
        matching.merge(kept_id=kept.pk, merged_id=draft.pk, by="user:8", now=NOW)
        assert scheduling.carry_out_due(now=LATER) == 0
        act.refresh_from_db()
        assert (act.state, act.outcome) == (
            "refused", f"It was merged into the title {kept.pk}: make your change there.",
        )  # fmt: skip


class TestWhatIsNamed:
    """Whoever names a title means the one that answers for it."""

    def collection(self, *named: Title) -> Collection:
        return collections.save(
            collection_id=new_id(), fields={"slug": "sea", "names": {"en": "Sea"}}, now=NOW,
            title_ids=[title.pk for title in named],
        )  # fmt: skip

    def places(self) -> list[UUID]:
        return list(CollectionTitle.objects.order_by("position").values_list("title_id", flat=True))

    def test_stands_in_a_collection_under_its_present_id(self, kept: Title, merged: Title) -> None:
        other = TitleFactory.create()
        self.collection(merged, other)
        assert self.places() == [kept.pk, other.pk]

    def test_stands_there_once_when_both_are_named(self, kept: Title, merged: Title) -> None:
        """A form that was opened before the merge still has both."""
        other = TitleFactory.create()
        self.collection(merged, other, kept)
        assert self.places() == [kept.pk, other.pk]

    def test_is_no_second_one_when_it_is_added(self, kept: Title, merged: Title) -> None:
        sea = self.collection(kept)
        assert collections.add(collection_id=sea.pk, title_ids=[merged.pk], now=LATER) == 0
        other = TitleFactory.create()
        assert collections.add(collection_id=sea.pk, title_ids=[merged.pk, other.pk, kept.pk], now=LATER) == 1
        assert self.places() == [kept.pk, other.pk]

    def test_twice_by_one_id_is_refused_all_the_same(self, merged: Title) -> None:
        with pytest.raises(collections.CollectionInvalid, match="once"):
            self.collection(merged, merged)
        assert not Collection.objects.exists()

    def test_is_blocked_under_its_present_id(self, kept: Title, merged: Title) -> None:
        profile = ProfileFactory.create()
        made = blocks.add(
            account_id=profile.account_id, profile_id=profile.pk, kind="title", of=merged.pk, now=LATER
        )  # fmt: skip
        assert made.title_id == kept.pk


class TestParts:
    def test_of_what_was_merged_are_told_of_too(self) -> None:
        """Seasons of one number are merged with their series."""
        kept, merged = TitleFactory.create(kind="series"), TitleFactory.create(kind="series")
        own, other = (SeasonFactory.create(parent=series, number=1) for series in (kept, merged))
        matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:8", now=LATER)
        with pytest.raises(titles.TitleMerged, match=str(own.pk)):
            editing.edit(title_id=other.pk, fields={"runtime_seconds": 5}, parts={}, **BY)


@pytest.fixture
def staff(client: Client) -> Client:
    account = AccountFactory.create(email="editor@example.org", is_staff=True, is_superuser=True)
    client.cookies["sessionid"] = sign_in(account)
    return client


class TestPages:
    def test_do_not_offer_what_was_merged_where_a_title_is_chosen(
        self, staff: Client, kept: Title, merged: Title
    ) -> None:
        asked = {"app_label": "catalog", "model_name": "collectiontitle", "field_name": "title", "term": ""}
        for term in ("", "goes", str(merged.pk)):
            found = staff.get(reverse("admin:autocomplete"), {**asked, "term": term}).json()["results"]
            assert str(merged.pk) not in [one["id"] for one in found]
        # An id that somebody pastes finds what answers for it.
        assert [one["id"] for one in found] == [str(kept.pk)]

    def test_name_the_series_of_a_season_that_was_merged_and_who_did_what(self, staff: Client) -> None:
        by = f"user:{User.objects.get().pk}"
        both = [TitleFactory.create(kind="series", name=name) for name in ("Tideline", "Gezeiten")]
        for series in both:
            SeasonFactory.create(parent=series, number=1)
        matching.merge(kept_id=both[0].pk, merged_id=both[1].pk, by=by, now=LATER)
        text = staff.get(reverse("admin:catalog_titlemerge_changelist")).content.decode()
        assert "Tideline / <a" in text
        gone = staff.get(reverse("admin:catalog_title_change", args=[both[1].pk])).content.decode()
        assert (by in gone, "editor@example.org" in gone.split("publication_log", 1)[1]) == (False, True)

    def test_say_that_it_was_merged_to_who_would_withdraw_it(self, staff: Client, merged: Title) -> None:
        answer = staff.get(reverse("admin:catalog_title_withdraw_one", args=[merged.pk]), follow=True)
        assert "This title was merged into another" in answer.content.decode()

    def test_say_in_the_list_what_was_merged(self, staff: Client, merged: Title) -> None:
        text = staff.get(reverse("admin:catalog_title_changelist")).content.decode()
        assert " ".join(text.split()).count("> Merged <") == 1

    def test_tell_of_an_undoing_that_was_done_before(self, staff: Client, merged: Title) -> None:
        act = {"action": "undo", ACTION_CHECKBOX_NAME: TitleMerge.objects.get().pk}
        merges = reverse("admin:catalog_titlemerge_changelist")
        assert "Parted again." in staff.post(merges, act, follow=True).content.decode()
        answer = staff.post(merges, act, follow=True).content.decode()
        assert "What was undone before stays as it is." in answer
        assert "Parted again." not in answer

    def test_undo_at_once_what_was_merged_within_another(self, staff: Client) -> None:
        kept, merged = TitleFactory.create(kind="series"), TitleFactory.create(kind="series")
        for series in (kept, merged):
            SeasonFactory.create(parent=series, number=1)
        matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:8", now=LATER)
        both = list(TitleMerge.objects.values_list("pk", flat=True))
        answer = staff.post(
            reverse("admin:catalog_titlemerge_changelist"), {"action": "undo", ACTION_CHECKBOX_NAME: both}, follow=True
        ).content.decode()
        assert (len(both), answer.count("Parted again."), "stays as it is" in answer) == (2, 1, False)
        assert not TitleMerge.objects.filter(undone_at=None).exists()
