"""Publishing, withdrawing, editing, images."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from PIL import Image

from catalog.events import TitlePublished, TitleWithdrawn
from catalog.models import Artwork, PublicationEntry, SearchDocument, Title
from catalog.selectors.artwork import Awaited, awaited
from catalog.services import artwork, bulk, editing, publication, titles
from core.ids import new_id
from core.models import OutboxEvent
from core.outbox import encoding
from tests.factories.catalog import (
    NOW,
    EpisodeFactory,
    ProviderFactory,
    SeasonFactory,
    TitleFactory,
    feed,
    ingest,
    movie,
    picture,
)

pytestmark = pytest.mark.django_db

DRAFT: dict[str, Any] = {"state": "draft", "published_at": None}
LATER = NOW + timedelta(hours=1)


def events() -> list[tuple[str, str]]:
    return [(event.type, event.aggregate) for event in OutboxEvent.objects.order_by("pk")]


class TestPublish:
    def test_makes_a_draft_public_and_says_who(self) -> None:
        title = TitleFactory.create(**DRAFT)
        publication.publish(title_id=title.pk, by="user:7", now=LATER, reason="Premiere")
        title.refresh_from_db()
        assert (title.state, title.published_at, title.revision) == ("published", LATER, 2)
        entry = PublicationEntry.objects.get()
        assert (entry.action, entry.by, entry.at, entry.revision, entry.reason) == (
            "published", "user:7", LATER, 2, "Premiere",
        )  # fmt: skip
        assert events() == [(encoding.type_name(TitlePublished), f"title:{title.pk}")]

    def test_refuses_what_is_public_already(self) -> None:
        title = TitleFactory.create()
        with pytest.raises(publication.AlreadyPublished):
            publication.publish(title_id=title.pk, by="user:7", now=LATER)
        title.refresh_from_db()
        assert (title.revision, PublicationEntry.objects.count(), events()) == (1, 0, [])

    def test_refuses_what_was_merged(self) -> None:
        gone = TitleFactory.create(state="withdrawn", withdrawn_at=NOW, merged_into=TitleFactory.create())
        with pytest.raises(titles.TitleMerged):
            publication.publish(title_id=gone.pk, by="user:7", now=LATER)
        gone.refresh_from_db()
        assert (gone.state, gone.revision, PublicationEntry.objects.count(), events()) == ("withdrawn", 1, 0, [])

    def test_refuses_what_has_no_name(self) -> None:
        title = TitleFactory.create(**DRAFT)
        title.texts.all().delete()
        with pytest.raises(publication.NameMissing):
            publication.publish(title_id=title.pk, by="user:7", now=LATER)
        title.refresh_from_db()
        assert title.state == "draft"

    def test_refuses_what_does_not_exist(self) -> None:
        with pytest.raises(titles.TitleUnknown):
            publication.publish(title_id=new_id(), by="user:7", now=LATER)

    def test_raises_the_revision_of_the_wholes(self) -> None:
        series = TitleFactory.create(kind="series")
        season = SeasonFactory.create(parent=series)
        episode = EpisodeFactory.create(parent=season, **DRAFT)
        publication.publish(title_id=episode.pk, by="user:7", now=LATER)
        series.refresh_from_db()
        season.refresh_from_db()
        assert (series.revision, season.revision) == (2, 2)

    def test_locks_the_title(self) -> None:
        title = TitleFactory.create(**DRAFT)
        with CaptureQueriesContext(connection) as captured:
            publication.publish(title_id=title.pk, by="user:7", now=LATER)
        assert any("FOR UPDATE" in query["sql"] for query in captured.captured_queries)


class TestWithdraw:
    def test_takes_a_title_back(self) -> None:
        title = TitleFactory.create()
        publication.withdraw(title_id=title.pk, by="user:7", now=LATER)
        title.refresh_from_db()
        assert (title.state, title.withdrawn_at, title.revision) == ("withdrawn", LATER, 2)
        assert events() == [(encoding.type_name(TitleWithdrawn), f"title:{title.pk}")]
        with pytest.raises(publication.AlreadyWithdrawn):
            publication.withdraw(title_id=title.pk, by="user:7", now=LATER)
        publication.publish(title_id=title.pk, by="user:7", now=LATER)
        title.refresh_from_db()
        assert (title.state, title.withdrawn_at) == ("published", None)

    def test_by_an_editor_outlives_the_next_delivery(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie()), provider)
        title = Title.objects.get()
        publication.withdraw(title_id=title.pk, by="user:7", now=LATER)
        ingest(feed(movie(runtime_seconds=9)), provider)
        title.refresh_from_db()
        assert (title.state, title.runtime_seconds) == ("withdrawn", 9)


class TestMany:
    def test_says_how_many_and_why_not_the_others(self) -> None:
        draft, public = TitleFactory.create(**DRAFT), TitleFactory.create()
        done = bulk.publish(title_ids=[draft.pk, public.pk], by="user:7", now=LATER)
        refused = {key: error.code for key, error in done.refused.items()}
        assert (done.done, done.waiting, refused) == (1, 0, {public.pk: "already_published"})

    def test_publishes_a_providers_drafts_after_a_change_of_policy(self) -> None:
        provider = ProviderFactory.create(publish="review")
        ingest(feed(*map(movie, range(3))), provider)
        other = TitleFactory.create(**DRAFT)
        assert publication.publish_drafts_of(provider=provider, by="user:7", now=LATER) == 3
        assert publication.publish_drafts_of(provider=provider, by="user:7", now=LATER) == 0
        other.refresh_from_db()
        assert other.state == "draft"


class TestEdit:
    def test_refuses_a_field_that_is_not_the_editors(self) -> None:
        title = TitleFactory.create()
        with pytest.raises(ValueError, match="state"):
            editing.edit(title_id=title.pk, fields={"state": "draft"}, parts={}, by="user:7", now=LATER)
        title.refresh_from_db()
        assert (title.state, title.revision) == ("published", 1)

    def test_leaves_all_as_it_was_when_a_part_is_refused(self) -> None:
        title = TitleFactory.create(name="Before")
        twice = [{"language": "en", "name": "A"}, {"language": "en", "name": "B"}]
        with pytest.raises(editing.StatedTwice):
            editing.edit(
                title_id=title.pk, fields={"runtime_seconds": 5}, parts={"texts": twice}, by="user:7", now=LATER
            )
        title.refresh_from_db()
        assert (title.runtime_seconds, title.revision, title.texts.get().name) == (None, 1, "Before")


class TestCreate:
    def test_makes_a_draft_that_can_be_found(self) -> None:
        title_id = new_id()
        parts = {"texts": [{"language": "en", "name": "Nosferatu"}]}
        editing.create(title_id=title_id, kind="movie", parent_id=None, fields={}, parts=parts, by="user:7", now=NOW)
        assert SearchDocument.objects.get().title_id == title_id
        assert Title.objects.get().state == "draft"

    @pytest.mark.parametrize(("kind", "within"), [("episode", "movie"), ("movie", "series"), ("season", None)])
    def test_refuses_a_whole_of_the_wrong_kind(self, kind: str, within: str | None) -> None:
        parent = TitleFactory.create(kind=within).pk if within else None
        with pytest.raises(editing.WrongParent):
            editing.create(
                title_id=new_id(), kind=kind, parent_id=parent, fields={"number": 1}, parts={}, by="user:7", now=NOW
            )  # fmt: skip
        assert not Title.objects.filter(state="draft").exists()


class TestAttach:
    def test_gives_the_announced_image_its_file(self) -> None:
        provider = ProviderFactory.create(code="demo")
        announced = [{"kind": "poster", "file": "a.webp", "language": "de", "focal_point": {"x": 0.1, "y": 0.2}}]
        ingest(feed(movie(artwork=announced)), provider)
        title = Title.objects.get()
        assert awaited(provider_code="demo") == [Awaited(title.pk, "poster", "de", "a.webp")]
        image = artwork.attach(title_id=title.pk, kind="poster", data=picture(), now=NOW, source="a.webp")
        assert (image.width, image.height, image.language, image.focal_x, image.focal_y) == (40, 60, "de", 0.1, 0.2)
        assert default_storage.exists(str(image.file.name))
        assert awaited(provider_code="demo") == []
        title.refresh_from_db()
        assert (title.revision, title.edited) == (2, [])

    def test_changes_nothing_the_second_time(self) -> None:
        title = TitleFactory.create()
        for _ in range(2):
            artwork.attach(title_id=title.pk, kind="poster", data=picture(), by="user:7", now=NOW)
        title.refresh_from_db()
        assert (title.revision, Artwork.objects.count(), title.edited) == (2, 1, ["artwork"])

    @pytest.mark.parametrize(
        "data", [b"", b"GIF89a" + b"\0" * 100, b"<svg/>", picture()[:60], b"\x89PNG\r\n\x1a\n" + b"\0" * 50]
    )
    def test_refuses_what_is_no_image(self, data: bytes) -> None:
        title = TitleFactory.create()
        with pytest.raises(artwork.ImageRefused):
            artwork.attach(title_id=title.pk, kind="poster", data=data, by="user:7", now=NOW)
        assert not Artwork.objects.exists()

    def test_refuses_a_bomb(self) -> None:
        file = io.BytesIO()
        Image.new("1", (20_000, 20_000)).save(file, "PNG")
        assert len(file.getvalue()) < 100_000
        title = TitleFactory.create()
        with pytest.raises(artwork.ImageRefused, match="pixels"):
            artwork.attach(title_id=title.pk, kind="poster", data=file.getvalue(), by="user:7", now=NOW)


class TestConstraints:
    @pytest.mark.parametrize(
        ("values", "name"),
        [
            ({"state": "published", "published_at": None}, "title_state_with_instant"),
            ({"state": "withdrawn"}, "title_state_with_instant"),
            ({"release_precision": "year"}, "title_release_date_with_precision"),
            ({"end_precision": "day"}, "title_end_date_with_precision"),
            ({"kind": "season", "number": 1}, "title_parent_by_kind"),
            ({"kind": "season"}, "title_number_by_kind"),
            ({"kind": "trailer"}, "title_parent_by_kind"),
        ],
    )
    def test_refuse_a_title_that_lies(self, values: dict[str, Any], name: str) -> None:
        title = TitleFactory.create()
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            Title.objects.filter(pk=title.pk).update(**values)

    @pytest.mark.parametrize(
        ("values", "name"),
        [
            ({"starts_at": LATER, "ends_at": NOW}, "window_ends_after_it_starts"),
            ({"starts_at": NOW, "starts_on": NOW.date()}, "window_bounds_stated_once"),
            ({"excluded": True}, "window_exclusion_names_territories"),
        ],
    )
    def test_refuse_a_window_that_lies(self, values: dict[str, Any], name: str) -> None:
        title = TitleFactory.create()
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            title.windows.update(**values)
