"""The demo's files that are gone are made again; what is there, or is an editor's, is left alone."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from pytest_django import Settings

from catalog.models import Artwork, MediaPackage, MediaSource, Title
from catalog.services import artwork, media
from local.demo import film, losses, titles
from tests.factories.catalog import picture

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path) -> dict[str, Path]:
    """Folders of this test's own, and where they are."""
    settings.MEDIA_ROOT, private = tmp_path / "media", tmp_path / "private"
    own = settings.STORAGES | {}
    for name in ("private", "packages"):
        backend = "django.core.files.storage.FileSystemStorage"
        own[name] = {"BACKEND": backend, "OPTIONS": {"location": tmp_path / name}}
    settings.STORAGES = own
    return {"media": tmp_path / "media", "private": private, "packages": tmp_path / "packages"}


@pytest.fixture
def seeded() -> Title:
    """The demo's title that has a film, with its pictures, and one of an editor's."""
    titles.ingest(now=NOW)
    title = Title.objects.get(source_records__external_id=film.TITLE)
    for number, image in enumerate(Artwork.objects.filter(title=title).order_by("pk")):
        artwork.attach(
            title_id=title.pk, kind=image.kind, data=picture(40 + number), language=image.language,
            source=image.source, now=NOW,
        )  # fmt: skip
    artwork.attach(title_id=title.pk, kind="logo", data=picture(99), by="user:1", now=NOW)
    return title


def awaited(title: Title) -> list[str]:
    """Answer the kinds of the pictures that are still to come."""
    return sorted(Artwork.objects.filter(title=title, file="").values_list("kind", flat=True))


class TestPictures:
    def test_are_left_alone_while_they_are_there(self, seeded: Title) -> None:
        assert not losses.forget(now=NOW)
        assert awaited(seeded) == []

    def test_are_awaited_again_when_they_are_gone(self, seeded: Title, folders: dict[str, Path]) -> None:
        shutil.rmtree(folders["media"])
        assert losses.forget(now=NOW)
        assert awaited(seeded) == ["backdrop", "poster", "poster"]
        drawn = Artwork.objects.get(title=seeded, kind="backdrop")
        artwork.attach(title_id=seeded.pk, kind="backdrop", data=picture(40), source=drawn.source, now=NOW)
        assert default_storage.exists(str(Artwork.objects.get(pk=drawn.pk).file.name))

    def test_do_not_stop_the_demo_when_they_are_gone(self, seeded: Title, folders: dict[str, Path]) -> None:
        shutil.rmtree(folders["media"])
        assert film.attach(now=NOW) is None


@pytest.fixture
def job(seeded: Title) -> MediaPackage:
    queued = media.attach(
        title_id=seeded.pk, name="a.mp4", content=ContentFile(b"film", name="a.mp4"), by=film.MAKER, now=NOW
    )
    assert queued is not None
    return queued


def finish(job: MediaPackage) -> None:
    storages["packages"].save("p/master.m3u8", ContentFile(b"#EXTM3U"))
    MediaPackage.objects.filter(pk=job.pk).update(
        state="live", folder="p", duration_seconds=12, size=7, finished_at=NOW
    )


class TestFilm:
    def test_is_left_alone_while_it_is_there(self, job: MediaPackage) -> None:
        assert not losses.forget(now=NOW)
        finish(job)
        assert not losses.forget(now=NOW)
        assert not film.is_wanted()

    @pytest.mark.parametrize("is_finished", [False, True])
    def test_is_wanted_again_when_it_is_gone(
        self, seeded: Title, job: MediaPackage, folders: dict[str, Path], is_finished: bool
    ) -> None:
        if is_finished:
            finish(job)
            shutil.rmtree(folders["packages"])
        shutil.rmtree(folders["private"])
        assert losses.forget(now=NOW)
        assert film.is_wanted()
        again = media.attach(
            title_id=seeded.pk, name="a.mp4", content=ContentFile(b"film", name="a.mp4"), by=film.MAKER, now=NOW
        )
        assert again is not None
        assert (again.state, again.source_id == job.source_id) == ("queued", False)
        assert storages["private"].exists(MediaSource.objects.get(pk=again.source_id).file)

    def test_says_in_a_sentence_why_it_cannot_be_made(self, seeded: Title, settings: Settings) -> None:
        settings.FFMPEG = "/nowhere/ffmpeg"
        with pytest.raises(film.NotMade, match=r"^/nowhere/ffmpeg cannot be run"):
            film.attach(now=NOW)
        settings.FFMPEG = "false"
        with pytest.raises(film.NotMade):
            film.attach(now=NOW)
        assert MediaPackage.objects.count() == 0
