"""Runs that are killed, taken over, refused; two at once."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, BinaryIO

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.db import IntegrityError, connection, transaction

from catalog.models import Credit, IngestRun, IngestStaging, PublicationEntry, SearchDocument, SourceRecord, Title
from catalog.services import ingestion
from catalog.services.ingestion import applying, batch, runs
from catalog.services.ingestion.lanes import LANES
from catalog.tasks import run_ingest
from core.files import StorageAway
from tests.factories.catalog import NOW, ProviderFactory, counts, feed, ingest, movie

LATER = NOW + timedelta(minutes=2)


def opened(content: bytes, **values: Any) -> IngestRun:
    provider = values.pop("provider", None) or ProviderFactory.create()
    return ingestion.open_run(
        provider=provider, format="jsonl", source_name="feed.jsonl", by="test", now=NOW, content=ContentFile(content), **values
    )  # fmt: skip


def execute(run: IngestRun, content: bytes, **values: Any) -> IngestRun | None:
    stream: BinaryIO = io.BytesIO(content)
    return ingestion.execute(
        run_id=run.pk, open_delivery=lambda _: stream, clock=values.pop("clock", lambda: NOW), **values
    )


@pytest.mark.django_db
class TestOpenRun:
    def test_refuses_a_format_that_nobody_reads(self) -> None:
        with pytest.raises(ingestion.FormatUnknown, match="jsonl, kaggle-titles"):
            ingestion.open_run(provider=ProviderFactory.create(), format="xls", source_name="x", by="test", now=NOW)
        assert not IngestRun.objects.exists()


@pytest.mark.django_db
class TestExecute:
    def test_does_nothing_the_second_time(self) -> None:
        content = feed(movie())
        run = opened(content)
        assert execute(run, content) is not None
        assert execute(run, content) is None
        assert IngestRun.objects.get().attempts == 1

    def test_leaves_a_run_that_lives_alone(self) -> None:
        content = feed(movie())
        run = opened(content)
        assert runs.begin(run_id=run.pk, now=NOW) is not None
        assert execute(run, content, clock=lambda: NOW + timedelta(seconds=59)) is None

    def test_waits_for_the_providers_other_run(self) -> None:
        first = opened(feed(movie()))
        runs.begin(run_id=first.pk, now=NOW)
        second = opened(feed(movie()), provider=first.provider)
        with pytest.raises(ingestion.ProviderBusy):
            execute(second, feed(movie()))
        second.refresh_from_db()
        assert second.state == "queued"
        assert not Title.objects.exists()
        other = opened(feed(movie(7)))
        assert execute(other, feed(movie(7))) is not None

    def test_stops_when_another_process_has_taken_it_over(self) -> None:
        content = feed(*map(movie, range(5)))
        run = opened(content)

        def taken_over() -> Iterator[Any]:
            yield NOW
            IngestRun.objects.filter(pk=run.pk).update(lease=None, state="queued")
            while True:
                yield NOW

        instants = taken_over()
        with pytest.raises(ingestion.LeaseLost):
            execute(run, content, clock=lambda: next(instants))
        assert not Title.objects.exists()

    def test_ends_as_failed_when_we_err_and_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(applying, "apply", lambda *_, **__: 1 / 0)
        run = opened(feed(movie()))
        with pytest.raises(ZeroDivisionError):
            execute(run, feed(movie()))
        run.refresh_from_db()
        assert (run.state, run.lease) == ("failed", None)
        assert "ingest the file again" in run.failure
        assert not IngestStaging.objects.exists()

    def test_begins_a_killed_run_again_and_counts_each_record_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(applying, "BATCH", 3)
        provider = ProviderFactory.create()
        ingest(feed(movie(0), movie(1), movie(9)), provider)
        content = feed(
            movie(0), movie(1, runtime_seconds=5), *map(movie, range(2, 8)),
            {"id": "m9", "kind": "movie", "withdrawn": True}, b"{broken",
        )  # fmt: skip
        run = opened(content, provider=provider)

        class Killed(BaseException):
            """Like SIGKILL, caught by nobody."""

        applied = batch.Batch.conclude
        calls: list[int] = []

        def dying(self: Any) -> None:
            if len(calls) == 2:
                raise Killed
            calls.append(1)
            applied(self)

        monkeypatch.setattr(batch.Batch, "conclude", dying)
        with pytest.raises(Killed):
            execute(run, content)
        monkeypatch.setattr(batch.Batch, "conclude", applied)
        assert runs.release_abandoned(now=LATER) == [run.pk]
        done = execute(run, content, clock=lambda: LATER)
        assert done is not None
        assert counts(done) == {"read": 10, "created": 6, "updated": 1, "unchanged": 1, "rejected": 1, "retired": 1}
        assert (done.problem_count, done.problems.count(), done.attempts) == (1, 1, 2)
        assert (Title.objects.count(), SourceRecord.objects.count()) == (9, 9)


@pytest.mark.django_db
class TestReleaseAbandoned:
    def test_gives_up_on_a_run_that_was_killed_three_times(self) -> None:
        run = opened(feed(movie()))
        for attempt in range(1, 4):
            now = NOW + attempt * timedelta(minutes=2)
            assert runs.begin(run_id=run.pk, now=now) is not None
            released = runs.release_abandoned(now=now + timedelta(minutes=1))
            assert released == ([run.pk] if attempt < 3 else [])
        run.refresh_from_db()
        assert (run.state, run.attempts) == ("failed", 3)

    def test_gives_up_on_a_run_whose_bytes_were_not_stored(self) -> None:
        run = ingestion.open_run(provider=ProviderFactory.create(), format="jsonl", source_name="x", by="test", now=NOW)
        runs.begin(run_id=run.pk, now=NOW)
        assert runs.release_abandoned(now=LATER) == []
        run.refresh_from_db()
        assert run.state == "failed"

    def test_leaves_what_lives(self) -> None:
        run = opened(feed(movie()))
        runs.begin(run_id=run.pk, now=NOW)
        assert runs.release_abandoned(now=NOW + timedelta(seconds=59)) == []
        run.refresh_from_db()
        assert run.state == "running"


class Away(io.BytesIO):
    """A file of a storage that answers no more after its first lines."""

    def readline(self, *_: Any) -> bytes:
        if self.tell():
            raise StorageAway
        return super().readline()


@pytest.mark.django_db
class TestOutage:
    def test_of_the_storage_is_no_attempt_however_often(self) -> None:
        content = feed(*map(movie, range(3)))
        run = opened(content)
        for minute in range(5):
            now = NOW + minute * timedelta(minutes=1)
            with pytest.raises(ingestion.Interrupted, match="begun again by itself"):
                ingestion.execute(run_id=run.pk, open_delivery=lambda _: Away(content), clock=lambda: now)  # noqa: B023
            run.refresh_from_db()
            assert (run.state, run.attempts, run.lease, run.failure) == ("queued", 0, None, runs.WAITS)
            assert not IngestStaging.objects.exists()
            assert ingestion.release_abandoned(now=now) == [run.pk]
        done = execute(run, content)
        assert done is not None
        assert (done.state, done.attempts, done.failure, counts(done)) == ("finished", 1, "", {"read": 3, "created": 3})

    def test_of_the_storage_before_the_first_byte_is_none_either(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: Any) -> None:
            raise OSError(errno.EHOSTUNREACH, "No route to host")

        run = opened(feed(movie()))
        with monkeypatch.context() as outage:
            outage.setattr(FileSystemStorage, "_open", away)
            with pytest.raises(ingestion.Interrupted):
                run_ingest(run_id=str(run.pk))
        run.refresh_from_db()
        assert (run.state, run.attempts) == ("queued", 0)
        run_ingest(run_id=str(run.pk))
        run.refresh_from_db()
        assert (run.state, run.attempts) == ("finished", 1)

    def test_counts_no_attempt_when_the_run_was_found_abandoned_meanwhile(self) -> None:
        run = opened(feed(movie()))
        IngestRun.objects.filter(pk=run.pk).update(attempts=2)
        lost = runs.begin(run_id=run.pk, now=NOW)
        assert lost is not None
        assert runs.release_abandoned(now=LATER) == []
        run.refresh_from_db()
        assert (run.state, run.attempts) == ("failed", 3)
        runs.hand_back(lost, now=LATER)
        run.refresh_from_db()
        assert (run.state, run.attempts, run.finished_at) == ("queued", 2, None)

    def test_of_a_run_that_a_newer_one_has_overtaken_does_not_begin_it_again(self) -> None:
        """It would undo what the newer one says."""
        run = opened(feed(movie(titles={"en": "Old"})))
        IngestRun.objects.filter(pk=run.pk).update(attempts=2)
        lost = runs.begin(run_id=run.pk, now=NOW)
        assert lost is not None
        runs.release_abandoned(now=LATER)
        content = feed(movie(titles={"en": "New"}))
        assert execute(opened(content, provider=run.provider), content) is not None
        runs.hand_back(lost, now=LATER)
        run.refresh_from_db()
        assert (run.state, run.failure) == ("failed", runs.KILLED)
        assert Title.objects.get().texts.get().name == "New"

    def test_takes_nothing_from_who_has_begun_the_run_again(self) -> None:
        run = opened(feed(movie()))
        lost = runs.begin(run_id=run.pk, now=NOW)
        assert lost is not None
        runs.release_abandoned(now=LATER)
        again = runs.begin(run_id=run.pk, now=LATER)
        assert again is not None
        runs.hand_back(lost, now=LATER)
        run.refresh_from_db()
        assert (run.state, run.lease, run.attempts) == ("running", again.lease, 1)
        runs.end(again, now=LATER)
        runs.hand_back(lost, now=LATER)
        run.refresh_from_db()
        assert (run.state, run.attempts) == ("finished", 1)

    def test_of_a_run_whose_bytes_were_not_stored_ends_it(self) -> None:
        run = ingestion.open_run(provider=ProviderFactory.create(), format="jsonl", source_name="x", by="test", now=NOW)
        with pytest.raises(ingestion.Interrupted, match="ingest the file again"):
            ingestion.execute(run_id=run.pk, open_delivery=lambda _: Away(feed(movie(1), movie(2))), clock=lambda: NOW)
        run.refresh_from_db()
        assert (run.state, run.failure, run.finished_at) == ("failed", runs.LOST, NOW)

    def test_of_the_database_is_told_to_it_once_it_is_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        content, hand_back = feed(movie(1), movie(2)), runs.hand_back
        waited: list[float] = []
        run = opened(content)

        def until_back(*arguments: Any, **options: Any) -> None:
            if len(waited) < 3:
                raise StorageAway  # as an outage of any kind
            hand_back(*arguments, **options)

        monkeypatch.setattr(runs, "hand_back", until_back)
        with pytest.raises(ingestion.Interrupted):
            ingestion.execute(
                run_id=run.pk, open_delivery=lambda _: Away(content), clock=lambda: NOW, wait=waited.append
            )
        run.refresh_from_db()
        assert (run.state, run.attempts, waited) == ("queued", 0, [2.0, 4.0, 8.0])

    def test_that_does_not_end_is_waited_for_no_longer_than_an_hour(self, monkeypatch: pytest.MonkeyPatch) -> None:
        content = feed(movie(1), movie(2))
        waited: list[float] = []
        run = opened(content)

        def never(*_: Any, **__: Any) -> None:
            raise StorageAway

        monkeypatch.setattr(runs, "hand_back", never)
        with pytest.raises(ingestion.Interrupted):
            ingestion.execute(
                run_id=run.pk, open_delivery=lambda _: Away(content), clock=lambda: NOW, wait=waited.append
            )
        assert 3600 <= sum(waited) < 3615
        run.refresh_from_db()
        assert (run.state, run.attempts) == ("running", 1)


@pytest.mark.django_db
class TestPurgeDeliveries:
    def test_deletes_the_bytes_thirty_days_after_the_run_and_keeps_the_report(self) -> None:
        content = feed(movie())
        run, queued = opened(content), opened(content)
        execute(run, content)
        name = run.file
        assert storages["private"].exists(name)
        assert not default_storage.exists(name)
        almost = NOW + timedelta(days=30) - timedelta(seconds=1)
        assert ingestion.purge_deliveries(now=almost) == 0
        assert ingestion.purge_deliveries(now=NOW + timedelta(days=30)) == 1
        run.refresh_from_db()
        assert (run.file, run.created, storages["private"].exists(name)) == ("", 1, False)
        assert storages["private"].exists(queued.file)

    def test_is_not_stopped_by_a_file_that_is_gone(self) -> None:
        content = feed(movie())
        run = opened(content)
        execute(run, content)
        storages["private"].delete(run.file)
        assert ingestion.purge_deliveries(now=NOW + timedelta(days=31)) == 1


@pytest.mark.django_db
class TestConstraints:
    @pytest.mark.parametrize(
        ("values", "name"),
        [
            ({"state": "running"}, "ingest_running_has_lease"),
            ({"state": "finished", "finished_at": NOW, "read": 3, "created": 2}, "ingest_counts_every_record_once"),
            ({"state": "finished"}, "ingest_ended_has_instant"),
        ],
    )
    def test_refuse_a_run_that_lies(self, values: dict[str, Any], name: str) -> None:
        run = opened(feed(movie()))
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            IngestRun.objects.filter(pk=run.pk).update(**values)


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    @pytest.fixture(autouse=True, params=[1000, 10], ids=["one batch", "batches in turn"])
    def _of_batches(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(applying, "BATCH", request.param)

    def test_of_one_provider_never_interleave(self) -> None:
        provider = ProviderFactory.create()
        content = feed(*map(movie, range(50)))
        pair = [opened(content, provider=provider) for _ in range(2)]
        outcomes: list[str] = []
        together = threading.Barrier(2)

        def work(run: IngestRun) -> None:
            together.wait()
            try:
                done = execute(run, content)
                outcomes.append(done.state if done else "none")
            except ingestion.ProviderBusy:
                outcomes.append("busy")
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=(run,)) for run in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(outcomes) in ({"finished", "busy"}, {"finished"})
        assert (Title.objects.count(), SearchDocument.objects.count(), Credit.objects.count()) == (50, 50, 50)

    def test_of_two_providers_do_not_deadlock_over_genres_and_words(self) -> None:
        genres = ["Drama", "Comedy", "Crime"]
        forwards = feed(*(movie(number, genres=genres) for number in range(100)))
        backwards = feed(*(movie(number, genres=genres[::-1]) for number in range(99, -1, -1)))
        pair = [(opened(content), content) for content in (forwards, backwards)]
        states: list[str] = []

        def work(run: IngestRun, content: bytes) -> None:
            try:
                done = execute(run, content)
                states.append(done.state if done else "none")
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=item) for item in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert states == ["finished", "finished"]
        assert Title.objects.count() == 200


@pytest.mark.django_db(transaction=True)
class TestSigkill:
    @pytest.mark.parametrize("after", [1, 2, 4])
    def test_loses_nothing_and_leaves_no_half_title(self, after: int) -> None:
        """A process of its own is killed in the middle of a batch; those before it have committed, or have yet to."""
        content = feed(*(movie(number) for number in range(50)))
        run = opened(content)
        script = (
            "import os, signal, django; django.setup()\n"
            "from catalog import tasks\n"
            "from catalog.services import search\n"
            "from catalog.services.ingestion import applying\n"
            "applying.BATCH = 10\n"
            "written, count = search.write, []\n"
            "def dying(texts, **options):\n"
            "    count.append(1)\n"
            f"    if len(count) > {after}: os.kill(os.getpid(), signal.SIGKILL)\n"
            "    return written(texts, **options)\n"
            "search.write = dying\n"
            f"tasks.run_ingest(run_id='{run.pk}')\n"
        )
        settings = connection.settings_dict
        url = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format_map(settings)
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "PYTHONPATH": "platform",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        done = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
        assert done.returncode == -signal.SIGKILL
        written = Title.objects.count()
        assert written in range(max(after + 1 - LANES, 0) * 10, after * 10 + 1, 10)
        assert SearchDocument.objects.count() == Credit.objects.count() == PublicationEntry.objects.count() == written
        heartbeat = IngestRun.objects.get().heartbeat_at
        assert heartbeat is not None
        later = heartbeat + timedelta(minutes=2)
        assert runs.release_abandoned(now=later) == [run.pk]
        finished = execute(run, content, clock=lambda: later)
        assert finished is not None
        assert counts(finished) == {"read": 50, "created": 50}
        assert SearchDocument.objects.count() == Credit.objects.count() == PublicationEntry.objects.count() == 50
