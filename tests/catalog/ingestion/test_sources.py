"""Deliveries that are fetched, or found in a folder."""

from __future__ import annotations

import errno
import io
import os
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from structlog.testing import capture_logs

from catalog.models import ArrivingFile, FeedSource, IngestRun, Provider, TakenFile, Title
from catalog.services import ingestion, sources
from catalog.services.sources import folders
from catalog.tasks import check_due_sources, check_source, run_ingest
from core.files import StorageAway, copy_found
from tests.catalog.test_admin import form_of, staff
from tests.factories.catalog import NOW, ProviderFactory, feed, movie
from tests.http_server import Answering, answering, serving

pytestmark = pytest.mark.django_db

__all__ = ["staff"]


def source_of(location: str, **fields: Any) -> FeedSource:
    provider = fields.pop("provider", None) or ProviderFactory.create()
    fields = {"provider": provider, "location": location, "format": "jsonl", **fields}
    return sources.save(source_id=None, fields=fields, now=NOW)


def check(source: FeedSource, *, now: Any = NOW) -> tuple[list[IngestRun], FeedSource]:
    runs = sources.check(source_id=source.pk, by="schedule", now=now)
    source.refresh_from_db()
    return [IngestRun.objects.get(pk=run_id) for run_id in runs], source


def content(run: IngestRun) -> bytes:
    with storages["private"].open(run.file) as file:
        return bytes(file.read())


class TestClaim:
    def test_takes_what_is_due_once_and_plans_the_next_look(self) -> None:
        due = source_of("https://example.org/a", every_minutes=15)
        source_of("https://example.org/b", enabled=False)
        later = source_of("https://example.org/c")
        FeedSource.objects.filter(pk=later.pk).update(next_check_at=NOW + timedelta(seconds=1))
        assert sources.claim_due(now=NOW) == [due.pk]
        assert sources.claim_due(now=NOW) == []
        assert sources.claim_due(now=NOW + timedelta(seconds=1)) == [later.pk]
        due.refresh_from_db()
        assert due.next_check_at == NOW + timedelta(minutes=15)

    @pytest.mark.django_db(transaction=True)
    def test_by_two_at_once_takes_each_once(self) -> None:
        source_of("https://example.org/a")
        claimed: list[list[int]] = []

        def claim() -> None:
            claimed.append(sources.claim_due(now=NOW))
            connection.close()

        with transaction.atomic():
            FeedSource.objects.select_for_update().get()
            other = threading.Thread(target=claim)
            other.start()
            other.join()
        assert claimed == [[]]


class TestAddress:
    @pytest.fixture(autouse=True)
    def _allow_this_machine(self, settings: Any) -> None:
        settings.OUTBOUND_ALLOW_LOOPBACK = True

    @pytest.fixture
    def server(self) -> Iterator[tuple[str, dict[str, Answering]]]:
        with serving() as running:
            yield running

    def test_is_taken_and_then_only_when_it_has_changed(self, server: Any) -> None:
        url, answers = server
        asked: list[dict[str, str]] = []
        bodies = {'"1"': feed(movie(1)), '"2"': feed(movie(2))}
        current = ['"1"']

        def answer(handler: BaseHTTPRequestHandler) -> None:
            asked.append(dict(handler.headers))
            if handler.headers["If-None-Match"] == current[0]:
                answering(status=304)(handler)
            else:
                answering(bodies[current[0]], ETag=current[0])(handler)

        answers["/feeds/titles.jsonl"] = answer
        source = source_of(f"{url}/feeds/titles.jsonl", delivery="full")
        [run], source = check(source)
        assert (run.source_name, run.delivery, run.started_by, run.format) == (
            "titles.jsonl",
            "full",
            "schedule",
            "jsonl",
        )
        assert content(run) == bodies['"1"']
        assert (source.etag, source.outcome, source.checked_at, source.failures) == ('"1"', "1 taken", NOW, 0)
        runs, source = check(source)
        assert (runs, source.outcome) == ([], "Nothing new")
        current[0] = '"2"'
        [run], source = check(source)
        assert content(run) == bodies['"2"']
        assert [headers.get("If-None-Match") for headers in asked] == [None, '"1"', '"1"']

    def test_of_a_server_without_tags_is_known_by_its_bytes(self, server: Any) -> None:
        url, answers = server
        answers["/a"] = answering(feed(movie(1)))
        source = source_of(f"{url}/a")
        assert [len(check(source)[0]) for _ in range(3)] == [1, 0, 0]
        answers["/a"] = answering(feed(movie(2)))
        assert len(check(source)[0]) == 1

    def test_of_a_server_with_dates_alone_is_asked_by_them(self, server: Any) -> None:
        url, answers = server
        asked: list[str | None] = []
        changed = "Tue, 03 Mar 2026 10:00:00 GMT"

        def answer(handler: BaseHTTPRequestHandler) -> None:
            asked.append(handler.headers["If-Modified-Since"])
            (answering(status=304) if asked[-1] else answering(feed(movie(1)), Last_Modified=changed))(handler)

        answers["/a"] = answer
        source = source_of(f"{url}/a")
        assert [len(check(source)[0]) for _ in range(2)] == [1, 0]
        assert asked == [None, changed]

    def test_that_breaks_off_is_not_taken(self, server: Any) -> None:
        url, answers = server

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("ETag", '"1"')
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(feed(movie(1)))

        answers["/a"] = answer
        runs, source = check(source_of(f"{url}/a", delivery="full"))
        assert (runs, source.failures, source.etag, IngestRun.objects.count()) == ([], 1, "", 0)
        assert "cannot be fetched" in source.outcome

    def test_is_authorised_by_what_the_environment_has(self, server: Any, settings: Any) -> None:
        url, answers = server
        sent: list[str | None] = []

        def answer(handler: BaseHTTPRequestHandler) -> None:
            sent.append(handler.headers["Authorization"])
            answering(feed(movie(1)))(handler)

        answers["/a"] = answer
        settings.FEED_CREDENTIALS = {"acme": "Bearer abc"}
        assert len(check(source_of(f"{url}/a", credential="acme"))[0]) == 1
        assert sent == ["Bearer abc"]
        runs, source = check(source_of(f"{url}/a", credential="other"))
        assert (runs, source.failures, len(sent)) == ([], 1, 1)
        assert "nothing under 'other'" in source.outcome

    def test_that_fails_says_why_and_is_tried_again(self, server: Any, settings: Any) -> None:
        url, answers = server
        settings.FEED_MAX_BYTES = 1000
        source = source_of(f"{url}/a")
        answers["/a"] = answering(b"x" * 1001)
        runs, source = check(source)
        assert (runs, source.failures) == ([], 1)
        assert "more than 1,000 bytes" in source.outcome
        answers["/a"] = answering(status=503)
        assert check(source)[1].failures == 2
        answers["/a"] = answering(feed(movie(1)))
        runs, source = check(source)
        assert (len(runs), source.failures, source.outcome) == (1, 0, "1 taken")

    def test_into_the_private_network_is_refused(self, settings: Any) -> None:
        settings.OUTBOUND_ALLOW_LOOPBACK = False
        runs, source = check(source_of("http://169.254.169.254/latest/meta-data"))
        assert runs == []
        assert "no public address" in source.outcome

    def test_that_moved_is_looked_at_anew(self, server: Any) -> None:
        url, answers = server
        answers["/a"] = answers["/b"] = answering(feed(movie(1)), ETag='"1"')
        source = source_of(f"{url}/a")
        check(source)
        moved = sources.save(source_id=source.pk, fields={"location": f"{url}/b"}, now=NOW)
        assert (moved.etag, bytes(moved.digest)) == ("", b"")
        assert len(check(moved)[0]) == 1
        assert check(sources.save(source_id=source.pk, fields={"every_minutes": 5}, now=NOW))[0] == []

    @pytest.mark.parametrize("field", ["provider", "format"])
    def test_that_is_taken_otherwise_is_looked_at_anew(self, server: Any, field: str) -> None:
        url, answers = server
        answers["/a"] = answering(feed(movie(1)), ETag='"1"')
        source = source_of(f"{url}/a")
        check(source)
        value = {"provider": ProviderFactory.create(), "format": "tvmaze"}[field]
        [run], _ = check(sources.save(source_id=source.pk, fields={field: value}, now=NOW))
        assert getattr(run, field) == value

    @pytest.mark.parametrize(
        "location", ["ftp://example.org/a", "titles.jsonl", "", "http://[a", "https://me:secret@example.org/"]
    )
    def test_that_is_none_is_refused(self, location: str) -> None:
        with pytest.raises(sources.SourceInvalid):
            source_of(location)
        assert FeedSource.objects.count() == 0

    def test_is_ingested_by_the_schedule(self, server: Any) -> None:
        url, answers = server
        answers["/a"] = answering(feed(movie(1)))
        source = source_of(f"{url}/a")
        FeedSource.objects.filter(pk=source.pk).update(next_check_at=NOW)
        check_due_sources()
        source.refresh_from_db()
        assert source.next_check_at > NOW
        check_source(source_id=source.pk)
        run_ingest(run_id=str(IngestRun.objects.get().pk))
        assert Title.objects.get().texts.get().name == "Film 1"


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path, settings: Any) -> Path:
        settings.FEED_FOLDER = str(tmp_path)
        (tmp_path / "acme").mkdir()
        return tmp_path / "acme"

    def drop(self, folder: Path, name: str, body: bytes, *, age: timedelta = timedelta(hours=1)) -> Path:
        path = folder / name
        path.write_bytes(body)
        moment = (NOW - age).timestamp()
        os.utime(path, (moment, moment))
        return path

    def watched(self, **fields: Any) -> FeedSource:
        return source_of("acme", kind="folder", **fields)

    def settled(self, source: FeedSource, *, now: Any = NOW) -> list[IngestRun]:
        """Look twice, so long apart that what has not changed is taken; answer what was."""
        assert check(source, now=now)[0] == []
        return check(source, now=now + timedelta(minutes=1))[0]

    def test_gives_each_file_once_the_oldest_first(self, folder: Path) -> None:
        self.drop(folder, "b.jsonl", feed(movie(1)), age=timedelta(hours=3))
        self.drop(folder, "a.jsonl", feed(movie(2)), age=timedelta(hours=2))
        self.drop(folder, "notes.txt", b"not a feed")
        source = self.watched(pattern="*.jsonl")
        runs = self.settled(source)
        assert [run.source_name for run in runs] == ["b.jsonl", "a.jsonl"]
        assert content(runs[0]) == feed(movie(1))
        assert self.settled(source) == []
        self.drop(folder, "a.jsonl", feed(movie(3)), age=timedelta(minutes=5))
        assert [run.source_name for run in self.settled(source)] == ["a.jsonl"]
        assert not ArrivingFile.objects.exists()

    def test_gives_files_of_one_name_in_two_folders_both(self, folder: Path) -> None:
        for day in ("monday", "tuesday"):
            (folder / day).mkdir()
            self.drop(folder / day, "titles.jsonl", feed(movie(1)))
        runs = self.settled(self.watched(pattern="**/*.jsonl"))
        assert [run.source_name for run in runs] == ["monday/titles.jsonl", "tuesday/titles.jsonl"]
        assert set(TakenFile.objects.values_list("name", "run")) == {
            ("monday/titles.jsonl", runs[0].pk), ("tuesday/titles.jsonl", runs[1].pk),
        }  # fmt: skip

    @pytest.mark.parametrize("field", ["provider", "format"])
    def test_gives_its_files_again_once_they_are_taken_otherwise(self, folder: Path, field: str) -> None:
        self.drop(folder, "a.json", b"[]")
        source = self.watched()
        self.settled(source)
        value = {"provider": ProviderFactory.create(), "format": "tvmaze"}[field]
        saved = sources.save(source_id=source.pk, fields={field: value, "location": "acme"}, now=NOW)
        [run] = self.settled(saved)
        assert getattr(run, field) == value
        assert self.settled(sources.save(source_id=source.pk, fields={"every_minutes": 5}, now=NOW)) == []

    def test_leaves_alone_what_is_still_on_its_way(self, folder: Path) -> None:
        """However old its time: a copy may have its original's, and another machine's clock may be wrong."""
        source = self.watched(settled_seconds=90)
        for seconds in (0, 60, 120, 180):
            self.drop(folder, "a.jsonl", b"x" * seconds, age=timedelta(days=1))
            runs, source = check(source, now=NOW + timedelta(seconds=seconds))
            assert (runs, source.outcome) == ([], "Nothing new; 1 still arriving")
        assert check(source, now=NOW + timedelta(seconds=269))[0] == []
        runs, source = check(source, now=NOW + timedelta(seconds=270))
        assert ([content(run) for run in runs], source.outcome) == ([b"x" * 180], "1 taken")

    def test_is_looked_at_again_as_soon_as_what_arrives_may_be_whole(self, folder: Path) -> None:
        self.drop(folder, "a.jsonl", feed(movie(1)))
        source = self.watched(every_minutes=60, settled_seconds=90)
        assert sources.claim_due(now=NOW) == [source.pk]
        _, source = check(source)
        assert source.next_check_at == NOW + timedelta(seconds=90)
        assert sources.claim_due(now=NOW + timedelta(seconds=90)) == [source.pk]
        runs, source = check(source, now=NOW + timedelta(seconds=90))
        assert (len(runs), source.next_check_at) == (1, NOW + timedelta(minutes=60, seconds=90))

    @pytest.mark.parametrize(
        "name", [".a.jsonl.Xy12", "a.jsonl.part", "a.jsonl.FILEPART", "a.tmp", "a.jsonl~", ".upload/a.jsonl"]
    )
    def test_leaves_alone_what_is_named_as_unfinished(self, folder: Path, name: str) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        path = self.drop(folder, name, feed(movie(1)))
        source = self.watched(pattern="**/*")
        assert self.settled(source) == []
        path.rename(folder / "a.jsonl")
        assert [run.source_name for run in self.settled(source)] == ["a.jsonl"]

    def test_takes_what_has_a_marker_at_once_and_nothing_else_ever(self, folder: Path) -> None:
        source = self.watched(pattern="*", marker=".done")
        self.drop(folder, "a.jsonl", feed(movie(1)))
        for days in range(3):
            assert check(source, now=NOW + timedelta(days=days))[0] == []
        self.drop(folder, "a.jsonl.done", b"")
        assert [content(run) for run in check(source)[0]] == [feed(movie(1))]
        # The next delivery under the same name: the marker is that of the one before.
        self.drop(folder, "a.jsonl", feed(movie(2)), age=timedelta(minutes=59))
        assert self.settled(source) == []
        self.drop(folder, "a.jsonl.done", b"", age=timedelta(minutes=58))
        assert [content(run) for run in check(source)[0]] == [feed(movie(2))]

    def test_that_is_written_to_while_it_is_read_is_taken_later(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = self.drop(folder, "a.jsonl", feed(movie(1)))
        source = self.watched()
        check(source)
        copy = shutil.copyfileobj

        def growing(*arguments: Any) -> None:
            copy(*arguments)
            with path.open("ab") as file:
                file.write(feed(movie(2)))

        with monkeypatch.context() as written:
            written.setattr(shutil, "copyfileobj", growing)
            runs, source = check(source, now=NOW + timedelta(minutes=1))
        assert (runs, source.failures, IngestRun.objects.count()) == ([], 1, 0)
        assert "changed while it was read" in source.outcome
        later = NOW + timedelta(minutes=2)
        assert [content(run) for run in self.settled(source, now=later)] == [feed(movie(1)) + feed(movie(2))]

    def test_of_a_path_too_long_says_so_and_gives_the_others(self, folder: Path) -> None:
        deep = folder / ("a" * 200) / ("b" * 200)
        deep.mkdir(parents=True)
        self.drop(deep, "a.jsonl", feed(movie(1)))
        self.drop(folder, "b.jsonl", feed(movie(2)))
        source = self.watched(pattern="**/*.jsonl")
        assert [run.source_name for run in self.settled(source)] == ["b.jsonl"]
        source.refresh_from_db()
        assert "more than 255 characters" in source.outcome

    def test_of_an_earlier_release_is_known_by_its_last_name(self, folder: Path) -> None:
        """What it took in a folder below is not taken again after the upgrade; what has come since is."""
        (folder / "monday").mkdir()
        path = self.drop(folder / "monday", "titles.jsonl", feed(movie(1)))
        source, status = self.watched(pattern="**/*.jsonl"), path.stat()
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO catalog_takenfile (source_id, name, size, modified_ns, taken_at) VALUES (%s, %s, %s, %s, %s)",
                [source.pk, "titles.jsonl", status.st_size, status.st_mtime_ns, NOW],
            )
        IngestRun.objects.all().delete()
        TakenFile.objects.update(run=ingestion.open_run(
            provider=source.provider, format="jsonl", source_name="titles.jsonl", by="test", now=NOW
        ))  # fmt: skip
        assert self.settled(source) == []
        self.drop(folder / "monday", "titles.jsonl", feed(movie(2)), age=timedelta(minutes=30))
        [run] = self.settled(source)
        assert run.source_name == "monday/titles.jsonl"
        # What this release has taken at the top says nothing of a file of that name further down.
        self.drop(folder, "more.jsonl", feed(movie(3)))
        self.drop(folder / "monday", "more.jsonl", feed(movie(3)))
        assert len(self.settled(source)) == 2

    def test_with_a_name_in_another_encoding_is_taken_like_any(self, folder: Path) -> None:
        name = os.fsdecode("café.jsonl".encode("latin-1"))
        self.drop(folder, name, feed(movie(1)))
        self.drop(folder, "b.jsonl", feed(movie(2)))
        source = self.watched(pattern="*.jsonl")
        assert {run.source_name for run in self.settled(source)} == {"caf\\xe9.jsonl", "b.jsonl"}
        assert self.settled(source) == []

    @pytest.mark.parametrize(
        ("error", "reason"), [(PermissionError, "Permission denied"), (FileNotFoundError, "No such file or directory")]
    )
    def test_below_that_cannot_be_listed_is_told_and_the_rest_is_taken(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError], reason: str
    ) -> None:
        for day in ("monday", "tuesday", ".snapshot", "lost+found"):
            (folder / day).mkdir()
            self.drop(folder / day, "titles.jsonl", feed(movie(1)))
        source, listing = self.watched(pattern="**/*.jsonl"), os.scandir

        def refusing(path: Any = ".") -> Any:
            if Path(path).name != "tuesday" and Path(path).parent == folder:
                raise error(errno.EACCES if error is PermissionError else errno.ENOENT, reason)
            return listing(path)

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(os, "scandir", refusing)
            assert [run.source_name for run in self.settled(source)] == ["tuesday/titles.jsonl"]
        source.refresh_from_db()
        told = f"Not everything in acme can be read: monday ({reason}). What else is there is looked at."
        assert (source.outcome, source.failures) == (told, 2)
        assert [run.source_name for run in self.settled(source)] == ["monday/titles.jsonl"]
        source.refresh_from_db()
        assert (source.outcome, source.failures) == ("1 taken", 0)

    def test_that_stays_unreadable_is_an_error_in_the_log_once(self, folder: Path) -> None:
        (folder / "loop").symlink_to("loop")
        source = self.watched(pattern="**/*.jsonl")
        with capture_logs() as lines:
            for minute in range(6):
                _, source = check(source, now=NOW + timedelta(minutes=minute))
        assert "loop (Too many levels of symbolic links)" in source.outcome
        assert source.failures == 6
        assert [line["log_level"] for line in lines if line["event"] == "feed_source_fails"] == ["error"]

    def test_keeps_in_mind_what_it_did_not_come_to(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that was replaced at the last moment is told, and costs those behind it nothing."""
        first = self.drop(folder, "a.jsonl", feed(movie(1)), age=timedelta(hours=2))
        self.drop(folder, "b.jsonl", feed(movie(2)))
        source = self.watched()
        check(source)

        def replaced(*arguments: Any, **options: Any) -> None:
            first.unlink(missing_ok=True)
            copy_found(*arguments, **options)

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr("catalog.services.sources.folders.copy_found", replaced)
            runs, source = check(source, now=NOW + timedelta(minutes=1))
        assert ([run.source_name for run in runs], source.failures) == (["b.jsonl"], 1)
        assert "a.jsonl (No such file or directory)" in source.outcome
        assert set(TakenFile.objects.values_list("name", flat=True)) == {"b.jsonl"}

    @pytest.mark.parametrize(
        ("error", "reason"),
        [(OSError(errno.ENOSPC, "No space left on device"), "No space left on device"), (StorageAway(), "StorageAway")],
        ids=["full", "away"],
    )
    def test_keeps_in_mind_what_could_not_be_stored(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
    ) -> None:
        for name in ("a.jsonl", "b.jsonl"):
            self.drop(folder, name, feed(movie(1)))
        source = self.watched()
        check(source)

        def failing(*_: Any, **__: Any) -> None:
            raise error

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(ingestion, "open_run", failing)
            runs, source = check(source, now=NOW + timedelta(minutes=1))
        assert (runs, source.failures) == ([], 1)
        assert source.outcome == f"a.jsonl cannot be stored: {reason}."
        assert not TakenFile.objects.exists()
        assert len(check(source, now=NOW + timedelta(minutes=2))[0]) == 2

    def test_of_a_marker_whose_time_has_whole_seconds_alone_is_taken(self, folder: Path) -> None:
        """As SFTP sets it for the one and not for the other; a marker of a finer clock is asked to be no older."""
        path, done = (self.drop(folder, name, feed(movie(1))) for name in ("a.jsonl", "a.jsonl.done"))
        source, second = self.watched(marker=".done"), 1_700_000_000 * 10**9
        for of_marker, taken in ((second - 1, 0), (second + 1, 0), (second, 1)):
            os.utime(path, ns=(second + 900_000_000,) * 2)
            os.utime(done, ns=(of_marker,) * 2)
            assert len(check(source)[0]) == taken

    def test_without_its_marker_is_looked_at_soon_once(self, folder: Path) -> None:
        self.drop(folder, "a.jsonl", feed(movie(1)))
        source, soon = self.watched(marker=".done"), NOW + timedelta(seconds=60)
        sources.claim_due(now=NOW)
        assert check(source)[1].next_check_at == soon
        sources.claim_due(now=soon)
        assert check(source, now=soon)[1].next_check_at == soon + timedelta(minutes=60)

    @pytest.mark.parametrize("pattern", ["*.jsonl", "a.jsonl", "**/*jsonl"])
    def test_refuses_a_marker_that_every_file_ends_with(self, folder: Path, pattern: str) -> None:
        with pytest.raises(sources.SourceInvalid, match="is how the files themselves end"):
            self.watched(pattern=pattern, marker="jsonl")

    def test_says_that_its_marker_is_the_files_own_ending(self, folder: Path) -> None:
        self.drop(folder, "a.jsonl", feed(movie(1)))
        runs, source = check(self.watched(marker=".jsonl"))
        assert (runs, source.failures) == ([], 1)
        assert "'.jsonl' is how the files themselves end" in source.outcome
        self.drop(folder, "b.xml", feed(movie(1)))
        assert check(source)[1].outcome == "Nothing new; 1 still arriving"

    def test_of_what_was_edited_or_deleted_meanwhile_is_not_taken_for_what_it_was(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.drop(folder, "a.jsonl", feed(movie(1)))
        source, provider, whole = self.watched(), ProviderFactory.create(), folders._whole
        check(source)

        def edited(*arguments: Any) -> Any:
            found = whole(*arguments)
            sources.save(source_id=source.pk, fields={"provider": provider}, now=NOW)
            return found

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(folders, "_whole", edited)
            assert check(source, now=NOW + timedelta(minutes=1))[0] == []
        assert not TakenFile.objects.exists()
        [run] = self.settled(source, now=NOW + timedelta(minutes=2))
        assert run.provider == provider

        def deleted(*arguments: Any) -> Any:
            FeedSource.objects.all().delete()
            return whole(*arguments)

        monkeypatch.setattr(folders, "_whole", deleted)
        assert sources.check(source_id=source.pk, by="schedule", now=NOW) == []

    @pytest.mark.parametrize("marker", ["/done", "*", "../x"])
    def test_refuses_a_marker_that_is_no_ending(self, folder: Path, marker: str) -> None:
        with pytest.raises(sources.SourceInvalid):
            self.watched(marker=marker)

    @pytest.mark.parametrize("location", ["../elsewhere", "/etc", "nothing"])
    def test_outside_or_missing_is_refused(self, folder: Path, location: str) -> None:
        (folder.parent.parent / "elsewhere").mkdir(exist_ok=True)
        runs, source = check(source_of(location, kind="folder"))
        assert (runs, source.failures) == ([], 1)
        assert "no folder" in source.outcome

    def test_follows_no_link_out_of_it(self, folder: Path) -> None:
        secret = self.drop(folder.parent, "secret.jsonl", feed(movie(1)))
        (folder / "a.jsonl").symlink_to(secret)
        (folder / "sub").symlink_to(folder.parent)
        source = self.watched(pattern="**/*.jsonl")
        assert self.settled(source) == []
        source.refresh_from_db()
        reason = "it is a link, and links are not followed"
        assert f"a.jsonl ({reason}), sub ({reason})" in source.outcome

    def test_says_nothing_of_links_to_what_it_looks_at_anyway(self, folder: Path) -> None:
        (folder / "monday").mkdir()
        self.drop(folder / "monday", "titles.jsonl", feed(movie(1)))
        (folder / "latest").symlink_to("monday")
        (folder / "latest.jsonl").symlink_to("monday/titles.jsonl")
        source = self.watched(pattern="**/*.jsonl")
        assert [run.source_name for run in self.settled(source)] == ["monday/titles.jsonl"]
        source.refresh_from_db()
        assert (source.outcome, source.failures) == ("1 taken", 0)

    @pytest.mark.parametrize("pattern", ["/etc/*", "../*", "a/../../*"])
    def test_is_not_left_by_a_pattern(self, folder: Path, pattern: str) -> None:
        with pytest.raises(sources.SourceInvalid):
            self.watched(pattern=pattern)
        assert FeedSource.objects.count() == 0

    def test_that_is_not_configured_says_so(self, settings: Any) -> None:
        settings.FEED_FOLDER = ""
        _, source = check(source_of("acme", kind="folder"))
        assert source.outcome == "FEED_FOLDER is not set: no folder is watched."

    def test_takes_again_what_a_killed_look_had_in_hand(self, folder: Path) -> None:
        path = self.drop(folder, "a.jsonl", feed(movie(1)))
        source = self.watched()
        status = path.stat()
        TakenFile.objects.create(
            source=source, name="a.jsonl", size=status.st_size, modified_ns=status.st_mtime_ns, taken_at=NOW
        )
        assert self.settled(source) == []
        assert len(self.settled(source, now=NOW + sources.GIVEN_UP)) == 1


class TestOrder:
    def test_of_a_providers_deliveries_is_kept(self) -> None:
        provider: Provider = ProviderFactory.create()
        first, second = (
            ingestion.open_run(
                provider=provider, format="jsonl", source_name=name, by="test", now=NOW, content=ContentFile(feed(movie(1)))
            )
            for name in ("first", "second")
        )  # fmt: skip

        def execute(run: IngestRun) -> IngestRun | None:
            stream = io.BytesIO(content(run))
            return ingestion.execute(run_id=run.pk, open_delivery=lambda _: stream, clock=lambda: NOW)

        with pytest.raises(ingestion.ProviderBusy, match="older"):
            execute(second)
        assert execute(first) is not None
        assert execute(second) is not None


class TestAdmin:
    def test_adds_a_source_and_says_what_is_wrong_with_one(self, staff: Client) -> None:
        provider = ProviderFactory.create()
        address = reverse("admin:catalog_feedsource_add")
        data = form_of(staff.get(address)) | {
            "provider": provider.pk, "kind": "address", "location": "nowhere", "format": "jsonl", "every_minutes": "30",
        }  # fmt: skip
        answer = staff.post(address, data, follow=True)
        assert "is no address" in answer.content.decode()
        assert FeedSource.objects.count() == 0
        staff.post(address, data | {"location": "https://example.org/feed.jsonl"})
        source = FeedSource.objects.get()
        assert (source.location, source.every_minutes) == ("https://example.org/feed.jsonl", 30)

    def test_says_when_a_file_is_whole(self, staff: Client) -> None:
        source = source_of("acme", kind="folder")
        address = reverse("admin:catalog_feedsource_change", args=[source.pk])
        data = form_of(staff.get(address))
        assert (data["settled_seconds"], data["marker"]) == (60, "")
        answer = staff.post(address, data | {"settled_seconds": "90", "marker": "*"}, follow=True)
        assert "is no ending of a file" in answer.content.decode()
        staff.post(address, data | {"settled_seconds": "90", "marker": ".done"})
        source.refresh_from_db()
        assert (source.settled_seconds, source.marker) == (90, ".done")

    @pytest.mark.parametrize(
        ("outcome", "german"),
        [
            ("Nothing new", "Nichts Neues"),
            ("3 taken", "3 übernommen"),
            ("3 taken; 1 still arriving", "3 übernommen; 1 noch unterwegs"),
            ("Nothing new; 2 still arriving", "Nichts Neues; 2 noch unterwegs"),
            ("There is no folder 'x' below FEED_FOLDER.", "Es gibt keinen Ordner"),
            ("", "noch nicht nachgesehen"),
        ],
    )
    def test_tells_outcome_and_place_in_the_language_of_staff(self, staff: Client, outcome: str, german: str) -> None:
        source = source_of("acme", kind="folder")
        FeedSource.objects.update(outcome=outcome)
        places = [
            reverse("admin:catalog_feedsource_changelist"),
            reverse("admin:catalog_feedsource_change", args=[source.pk]),
        ]
        pages = [staff.get(place, headers={"accept-language": "de"}).content.decode() for place in places]
        assert [german in page for page in pages] == [True, True]
        assert f"{source.provider} unter acme" in pages[1]

    def test_tells_of_a_failing_place_where_its_provider_is_looked_at(self, staff: Client) -> None:
        provider = ProviderFactory.create()
        source_of("https://example.org/a?key=secret", provider=provider)
        failing = source_of("acme", kind="folder", provider=provider)
        source_of("elsewhere", kind="folder", provider=provider, enabled=False)
        FeedSource.objects.exclude(pk=failing.pk).update(failures=0)
        page, listing = (
            reverse("admin:catalog_provider_change", args=[provider.pk]), reverse("admin:catalog_provider_changelist"),
        )  # fmt: skip
        assert "of 2 fail" not in staff.get(listing).content.decode()
        outcome = "Not everything in acme can be read: monday (Permission denied). What else is there is looked at."
        FeedSource.objects.filter(pk=failing.pk).update(failures=1, outcome=outcome)
        assert "1 of 2 fail" in staff.get(listing).content.decode()
        text = staff.get(page).content.decode()
        assert f'href="{reverse("admin:catalog_feedsource_change", args=[failing.pk])}">acme</a>: {outcome}' in text
        assert "secret" not in text

    def test_shows_no_key_of_an_address_and_keeps_it(self, staff: Client) -> None:
        source = source_of("https://example.org/feed.jsonl?token=s3cret")
        address = reverse("admin:catalog_feedsource_change", args=[source.pk])
        page = staff.get(address)
        pages = [page, staff.get(reverse("admin:catalog_feedsource_changelist"))]
        assert ["s3cret" in each.content.decode() for each in pages] == [False, False]
        assert "https://example.org/feed.jsonl?…" in pages[1].content.decode()
        data = form_of(page)
        assert staff.post(address, data | {"every_minutes": "5"}).status_code == 302
        source.refresh_from_db()
        assert (source.location, source.every_minutes) == ("https://example.org/feed.jsonl?token=s3cret", 5)
        answer = staff.post(address, data | {"location": "https://example.org/other?…"})
        assert "Write the whole address" in str(answer.context["errors"])
        assert not LogEntry.objects.filter(object_repr__contains="s3cret").exists()
        assert staff.post(address, data | {"location": "https://example.org/other?key=2"}).status_code == 302
        source.refresh_from_db()
        assert source.location == "https://example.org/other?key=2"
