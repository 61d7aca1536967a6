"""Artwork fetched, drawn in sizes, focused, removed."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection

from catalog import tasks
from catalog.models import Artwork, Title
from catalog.services import artwork
from core import clock
from tests.factories.catalog import NOW, ProviderFactory, TitleFactory, feed, ingest, movie, picture
from tests.http_server import Answering, answering, serving

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def host(settings: Any) -> Iterator[str]:
    """A partner's host of pictures."""
    settings.OUTBOUND_ALLOW_LOOPBACK = True

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = {"/a": (200, picture()), "/svg": (200, b"<svg/>"), "/away": (503, b"")}[self.path]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def announce(*urls: str) -> Title:
    kinds = ["poster", "backdrop", "still", "logo"]
    images = [{"kind": kind, "url": url} for kind, url in zip(kinds, urls, strict=False)]
    ingest(feed(movie(1, artwork=images)), ProviderFactory.create(code="p"))
    return Title.objects.get()


class TestWork:
    def test_fetches_what_a_feed_announced_then_draws_it(self, host: str) -> None:
        title = announce(f"{host}/a")
        assert artwork.work(now=NOW, limit=10) == 1
        image = title.artwork.get()
        assert (bool(image.file), image.width, image.renditions) == (True, 40, [])
        assert artwork.work(now=NOW, limit=10) == 1
        image.refresh_from_db()
        assert [size["width"] for size in image.renditions] == [40]
        assert all(default_storage.exists(image.renditions[0][form]) for form in ("avif", "webp"))
        assert image.placeholder.startswith("data:image/webp;base64,")
        title.refresh_from_db()
        assert (title.revision, title.edited) == (3, [])
        assert artwork.work(now=LATER, limit=10) == 0

    def test_gives_up_at_once_where_time_mends_nothing(self, host: str, settings: Any) -> None:
        settings.OUTBOUND_ALLOW_LOOPBACK = False
        title = announce(f"{host}/a", "http://169.254.169.254/x")
        assert artwork.work(now=NOW, limit=10) == 2
        assert artwork.work(now=NOW + timedelta(days=9), limit=10) == 0
        assert ["public address" in image.problem for image in title.artwork.all()] == [True, True]
        settings.OUTBOUND_ALLOW_LOOPBACK = True
        Artwork.objects.update(attempts=0, due_at=None, source=f"{host}/svg")
        artwork.work(now=NOW, limit=10)
        assert artwork.work(now=NOW + timedelta(days=9), limit=10) == 0
        assert {image.problem.split()[0] for image in title.artwork.all()} == {"SVG"}

    def test_tries_again_later_and_later_where_it_may(self, host: str) -> None:
        title = announce(f"{host}/away")
        now, waits = NOW, []
        while artwork.work(now=now, limit=10):
            image = title.artwork.get()
            assert image.due_at is not None
            waits.append(int((image.due_at - now).total_seconds() // 60))
            assert artwork.work(now=now, limit=10) == 0
            now = image.due_at
        assert waits == [1, 4, 16, 64, 256]
        assert "503" in title.artwork.get().problem

    def test_goes_on_with_the_others_when_one_cannot_be_stored(
        self, host: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        title = announce(f"{host}/a", f"{host}/a")
        poster, backdrop = title.artwork.order_by("pk")
        save = FileSystemStorage._save  # type: ignore[attr-defined]  # the stubs know no private methods

        def saved(storage: Any, name: str, content: Any) -> str:
            if "poster" in name:
                raise OSError(errno.ENOSPC, "No space left on device")
            return str(save(storage, name, content))

        with monkeypatch.context() as disk:
            disk.setattr(FileSystemStorage, "_save", saved)
            assert artwork.work(now=NOW, limit=10) == 2
        poster.refresh_from_db()
        backdrop.refresh_from_db()
        assert (bool(poster.file), bool(backdrop.file)) == (False, True)
        assert (poster.problem[:17], poster.attempts, backdrop.problem) == ("Something outside", 1, "")
        assert artwork.work(now=NOW + timedelta(minutes=1), limit=10) == 2
        poster.refresh_from_db()
        assert (bool(poster.file), poster.problem) == (True, "")

    def test_leaves_names_in_the_operators_storage_alone(self) -> None:
        ingest(feed(movie(1, artwork=[{"kind": "poster", "file": "a.webp"}])), ProviderFactory.create())
        assert artwork.work(now=NOW, limit=10) == 0

    def test_is_not_done_again_when_the_record_changes(self, host: str) -> None:
        title = announce(f"{host}/a")
        tasks.work_on_artwork(unknown="of a newer release")
        before = title.artwork.get()
        provider = title.source_records.get().provider
        ingest(feed(movie(1, artwork=[{"kind": "poster", "url": f"{host}/a"}], runtime_seconds=5)), provider)
        after = title.artwork.get()
        assert after.pk != before.pk
        assert (after.renditions, after.placeholder) == (before.renditions, before.placeholder)
        assert len(after.renditions) == 1
        assert artwork.work(now=clock.now() + timedelta(days=1), limit=10) == 0


@pytest.mark.django_db(transaction=True)
class TestWhileItIsFetched:
    @pytest.mark.parametrize(
        ("answer", "is_replaced"),
        [(answering(picture()), True), (answering(b"<svg/>"), True), (answering(status=503), True), (answering(picture()), False)],
    )  # fmt: skip
    def test_an_editor_has_the_last_word(self, settings: Any, answer: Answering, *, is_replaced: bool) -> None:
        settings.OUTBOUND_ALLOW_LOOPBACK = True
        by: dict[str, Any] = {"by": "user:7", "now": NOW}

        def edited(handler: BaseHTTPRequestHandler) -> None:
            try:
                image = Artwork.objects.get()
                if is_replaced:
                    artwork.attach(title_id=image.title_id, kind="poster", data=picture(colour="red"), **by)
                else:
                    artwork.remove(image_id=image.pk, **by)
            finally:
                connection.close()
            answer(handler)

        with serving() as (url, answers):
            answers["/a"] = edited
            announce(f"{url}/a")
            assert artwork.work(now=NOW, limit=10) == 1
        left = [(opened(image), image.problem, image.attempts) for image in Artwork.objects.all()]
        assert left == ([(picture(colour="red"), "", 0)] if is_replaced else [])


def opened(image: Artwork) -> bytes:
    with default_storage.open(str(image.file.name)) as file:
        return bytes(file.read())


class TestEditing:
    def test_focuses_within_the_image_and_is_kept(self) -> None:
        title = TitleFactory.create()
        image = artwork.attach(title_id=title.pk, kind="poster", data=picture(), by="user:7", now=NOW)
        artwork.focus(image_id=image.pk, point=(0.25, 7), by="user:7", now=LATER)
        image.refresh_from_db()
        title.refresh_from_db()
        assert (image.focal_x, image.focal_y, title.revision, title.edited) == (0.25, 1.0, 3, ["artwork"])

    def test_removes_for_good(self) -> None:
        title = TitleFactory.create()
        image = artwork.attach(title_id=title.pk, kind="poster", data=picture(), by="user:7", now=NOW)
        artwork.remove(image_id=image.pk, by="user:7", now=LATER)
        assert not Artwork.objects.exists()
        with pytest.raises(artwork.ImageUnknown):
            artwork.remove(image_id=image.pk, by="user:7", now=LATER)
        with pytest.raises(artwork.ImageUnknown):
            artwork.focus(image_id=image.pk, point=(0, 0), by="user:7", now=LATER)

    def test_draws_a_replaced_image_anew(self) -> None:
        title = TitleFactory.create()
        for colour in ("navy", "red"):
            artwork.attach(title_id=title.pk, kind="poster", data=picture(colour=colour), by="user:7", now=NOW)
            artwork.work(now=NOW, limit=10)
        image = title.artwork.get()
        stem = str(image.file.name).rpartition(".")[0]
        assert image.renditions[0]["avif"] == f"{stem}-40.avif"


class TestPurgeOrphans:
    def test_deletes_what_no_row_names_after_a_day(self) -> None:
        title = TitleFactory.create()
        for colour in ("navy", "red"):
            artwork.attach(title_id=title.pk, kind="poster", data=picture(colour=colour), by="user:7", now=NOW)
            artwork.work(now=NOW, limit=10)
        default_storage.save(f"artwork/{title.pk}/stray.webp", ContentFile(b"x"))
        assert artwork.purge_orphans(now=clock.now()) == 0
        tomorrow = clock.now() + timedelta(days=1, minutes=1)
        # The file, AVIF and WebP of the first image, and the stray one; files of other tests' titles aside.
        before = set(default_storage.listdir(f"artwork/{title.pk}")[1])
        assert artwork.purge_orphans(now=tomorrow) >= 4
        left = set(default_storage.listdir(f"artwork/{title.pk}")[1])
        assert (len(before), len(left)) == (7, 3)
        image = title.artwork.get()
        assert left == {
            name.rpartition("/")[2]
            for name in (str(image.file.name), image.renditions[0]["avif"], image.renditions[0]["webp"])
        }
