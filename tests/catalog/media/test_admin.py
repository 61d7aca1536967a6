"""Films in the admin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import m3u8
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from catalog.models import MediaPackage, MediaSource, MediaSubtitles
from catalog.services import media
from catalog.tasks import package_media
from tests import clips
from tests.catalog.media.conftest import packaged
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.catalog import NOW, TitleFactory

pytestmark = pytest.mark.django_db

ADD = "admin:catalog_mediapackage_add"


@pytest.fixture
def staff(client: Client) -> Client:
    client.cookies["sessionid"] = sign_in(AccountFactory.create(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sent: list[str] = []
    monkeypatch.setattr(package_media, "delay", lambda *, package_id: sent.append(package_id))
    return sent


def page_of(package: MediaPackage) -> str:
    return reverse("admin:catalog_mediapackage_change", args=[package.pk])


class TestFilms:
    def test_are_attached_watched_and_shown(self, staff: Client, queued: list[str], film: Path) -> None:
        title = TitleFactory.create(name="Nosferatu")
        form = staff.get(reverse(ADD), {"title": str(title.pk)}).content.decode()
        # The title, the button by its name, and the script that finds other titles.
        assert all(word in form for word in ("Nosferatu", "Attach and package", "admin/js/autocomplete.js"))
        file = SimpleUploadedFile("-odd 'name'.mp4", film.read_bytes())
        answer = staff.post(reverse(ADD), {"title": str(title.pk), "file": file})
        package = MediaPackage.objects.get()
        assert (answer.status_code, answer["Location"], queued) == (302, page_of(package), [str(package.pk)])
        assert 'http-equiv="refresh"' in staff.get(page_of(package)).content.decode()
        title_page = reverse("admin:catalog_title_change", args=[title.pk])
        assert "(Queued)" in staff.get(title_page).content.decode()
        package_media(package_id=queued[0])
        text = staff.get(page_of(package)).content.decode()
        assert 'http-equiv="refresh"' not in text
        assert all(word in text for word in ("640 x 360", "Deutsch", "0:00:02", "Live"))
        poster = staff.get(reverse("admin:catalog_mediapackage_poster", args=[package.pk, 0]))
        assert poster.content[:3] == b"\xff\xd8\xff"
        assert staff.get(reverse("admin:catalog_mediapackage_poster", args=[package.pk, 9])).status_code == 404
        assert "Nosferatu" in staff.get(reverse("admin:catalog_mediapackage_changelist")).content.decode()
        use = reverse("admin:catalog_mediapackage_use", args=[package.pk, 1])
        assert staff.get(use).status_code == 405
        assert staff.post(use).status_code == 302
        image = title.artwork.get()
        assert (image.kind, image.width, image.height) == ("still", 640, 360)

    def test_are_watched_as_viewers_are_given_them(self, staff: Client, film: Path) -> None:
        package = packaged(TitleFactory.create(), film)

        def file(name: str) -> Any:
            return staff.get(reverse("admin:catalog_mediapackage_file", args=[package.pk, name]))

        def playlist(name: str) -> Any:
            return m3u8.loads(file(name).getvalue().decode())  # type: ignore[no-untyped-call]

        master = file("master.m3u8")
        assert f'src="{master.request["PATH_INFO"]}"' in staff.get(page_of(package)).content.decode()
        said = (master["Content-Type"], master["Cache-Control"])
        assert said == ("application/vnd.apple.mpegurl", "private, max-age=86400, immutable")
        assert master.getvalue()
        names = [item.uri for kind in ("playlists", "media") for item in getattr(playlist("master.m3u8"), kind)]
        assert len(names) == 5
        assert all(file(playlist(name).segments[0].uri).getvalue() for name in names)
        for name in (
            "none.m4s", "../../a.mp4", "v360-1/../master.m3u8", "posters", "manifest.mpd/x.mp4", "a\\0.mp4",
            f"{'x' * 300}.mp4",
        ):  # fmt: skip
            assert file(name).status_code == 404, name

    def test_need_a_file_and_one_alone(self, staff: Client, queued: list[str]) -> None:
        title = TitleFactory.create()
        for values in ({}, {"place": "a.mp4", "file": SimpleUploadedFile("a.mp4", b"x")}, {"place": "../a.mp4"}):
            answer = staff.post(reverse(ADD), {"title": str(title.pk), **values})
            assert answer.status_code == 200
            assert answer.context["form"].errors
        assert (queued, MediaSource.objects.count()) == ([], 0)

    def test_that_failed_say_why_in_the_readers_language_and_ask_for_what_helps(
        self, staff: Client, queued: list[str]
    ) -> None:
        title = TitleFactory.create()
        staff.post(reverse(ADD), {"title": str(title.pk), "file": SimpleUploadedFile("a.mp4", b"no film")})
        package_media(package_id=queued[0])
        package = MediaPackage.objects.get()
        text = staff.get(page_of(package)).content.decode()
        assert "damaged, cut off" in text
        listed = staff.get(reverse("admin:catalog_mediapackage_changelist")).content.decode()
        assert "damaged, cut off" in listed
        # What it was at when it failed is no reason.
        assert not [page for page in (text, listed) if "Looking into the file" in page]
        # The same file would fail again.
        assert "Try again" not in text
        assert f'href="{reverse(ADD)}?title={title.pk}"' in text
        staff.cookies["django_language"] = "de"
        assert "Die Datei ist beschädigt, abgebrochen" in staff.get(page_of(package)).content.decode()

    def test_that_something_else_disturbed_are_tried_again(self, staff: Client, queued: list[str]) -> None:
        staff.post(reverse(ADD), {"title": str(TitleFactory.create().pk), "file": SimpleUploadedFile("a.mp4", b"x")})
        MediaPackage.objects.update(
            state="failed", failure_code="disturbed", failure="Something outside the film went wrong; the log says what."
            " Try again, or ask whoever runs the service.",
        )  # fmt: skip
        package = MediaPackage.objects.get()
        text = staff.get(page_of(package)).content.decode()
        assert "Try again</button>" in " ".join(text.split()).replace("Try again </", "Try again</")
        assert "Attach another file" not in text
        retry = reverse("admin:catalog_mediapackage_retry", args=[package.pk])
        assert staff.get(retry).status_code == 405
        assert staff.post(retry).status_code == 302
        assert [MediaPackage.objects.count(), len(queued)] == [2, 2]

    def test_get_subtitles(self, staff: Client, queued: list[str], film: Path) -> None:
        package = packaged(TitleFactory.create(), film)
        address = reverse("admin:catalog_mediapackage_subtitles", args=[package.pk])
        file = SimpleUploadedFile("de.srt", clips.SRT.encode("utf-16"))
        assert staff.post(address, {"language": "de", "role": "sdh", "file": file}).status_code == 302
        assert "de.srt" in staff.get(page_of(package)).content.decode()
        assert len(queued) == 1
        broken = SimpleUploadedFile("x.srt", b"nothing")
        answer = staff.post(address, {"language": "fr", "role": "sdh", "file": broken}, follow=True)
        assert "neither SRT nor WebVTT" in answer.content.decode()
        assert staff.post(address, {"remove": "de/sdh"}, follow=True).status_code == 200
        assert not MediaSubtitles.objects.exists()

    def test_are_for_those_who_may(self, client: Client, queued: list[str]) -> None:
        client.cookies["sessionid"] = sign_in(AccountFactory.create(is_staff=True))
        package = media.attach(
            title_id=TitleFactory.create().pk, name="x", content=SimpleUploadedFile("x", b"x"), by="t", now=NOW
        )
        assert package is not None
        addresses = [
            reverse(f"admin:catalog_mediapackage_{name}", args=[package.pk]) for name in ("retry", "subtitles")
        ]
        assert [client.post(address).status_code for address in [*addresses, reverse(ADD)]] == [403] * 3
        assert client.get(page_of(package)).status_code == 403
        assert queued == []
