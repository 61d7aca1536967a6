"""Jobs that are killed, raced, replaced and purged."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlparse
from uuid import uuid4

import psutil
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.db import IntegrityError, connection, transaction

from catalog import tasks
from catalog.models import MediaPackage, MediaRendition, MediaSource
from catalog.selectors import media as selectors
from catalog.services import media
from catalog.services.media import execution, jobs
from core import clock
from core.ids import new_id
from local import paths
from tests import clips
from tests.catalog.media.conftest import LATER, attach, packaged
from tests.catalog.media.killed import POINTS
from tests.factories.catalog import NOW, TitleFactory


def run_killed(point: str, package: MediaPackage) -> None:
    database = urlparse(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.catalog.media.killed", point, str(package.pk)],
        cwd=paths.ROOT,
        env=os.environ
        | {"DATABASE_URL": database.geturl(), "DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": "platform"},
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def programs_at(source: MediaSource) -> list[psutil.Process]:
    """Answer the processes that still read a source."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(source.pk) in part for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("point", POINTS)
class TestKilled:
    def test_goes_on_after_the_last_finished_track(self, film: Path, point: str) -> None:
        package = attach(TitleFactory.create(), film)
        assert package is not None
        run_killed(point, package)
        until = time.monotonic() + 5
        while programs_at(package.source) and time.monotonic() < until:
            time.sleep(0.05)
        assert programs_at(package.source) == []
        made = set(MediaRendition.objects.values_list("pk", "made_at"))
        assert len(made) == {"while_encoding": 0, "after_a_track": 1}.get(point, 4)
        assert selectors.manifests(package.title_id) is None
        # Nobody else may have it while its lease may still be held.
        assert media.release_abandoned(now=clock.now()) == []
        later = clock.now() + timedelta(minutes=3)
        assert media.release_abandoned(now=later) == [package.pk]
        done = media.execute(package_id=package.pk, clock=lambda: later)
        assert done is not None
        assert (done.state, done.attempts) == ("live", 2)
        assert made <= set(MediaRendition.objects.values_list("pk", "made_at"))
        assert MediaRendition.objects.count() == 4
        folder = Path(storages["packages"].path(done.folder))
        # No file twice under another name, none half written.
        assert done.size == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.django_db
class TestLease:
    def test_of_a_job_taken_over_ends_the_first_process(self, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = attach(TitleFactory.create(), film)
        assert package is not None
        instants = iter([NOW, NOW])

        def clock_with_a_thief() -> Any:
            instant = next(instants, LATER)
            if instant == LATER:
                MediaPackage.objects.filter(pk=package.pk).update(lease="00000000-0000-0000-0000-000000000001")
            return instant

        with pytest.raises(media.LeaseLost):
            media.execute(package_id=package.pk, clock=clock_with_a_thief)
        package.refresh_from_db()
        assert (package.state, str(package.lease)[-1]) == ("running", "1")
        assert programs_at(package.source) == []

    def test_of_a_job_taken_over_leaves_the_next_ones_folder_alone(self, tmp_path: Path, settings: Any) -> None:
        settings.VIDEO_SCRATCH = str(tmp_path)
        package_id = uuid4()
        with ExitStack() as first:
            first.enter_context(execution._scratch(MediaPackage(pk=package_id, lease=uuid4())))
            with execution._scratch(MediaPackage(pk=package_id, lease=uuid4())) as folder:
                first.close()
                assert list(tmp_path.iterdir()) == [folder]
        assert list(tmp_path.iterdir()) == []

    def test_keeps_a_second_worker_away(self, film: Path) -> None:
        package = attach(TitleFactory.create(), film)
        assert package is not None
        MediaPackage.objects.filter(pk=package.pk).update(
            state="running", lease="00000000-0000-0000-0000-000000000001", heartbeat_at=NOW
        )
        assert media.execute(package_id=package.pk, clock=lambda: NOW) is None

    def test_is_given_up_after_three_kills(self, film: Path) -> None:
        package = attach(TitleFactory.create(), film)
        assert package is not None
        lost = {"state": "running", "lease": "00000000-0000-0000-0000-000000000001", "heartbeat_at": NOW}
        MediaPackage.objects.filter(pk=package.pk).update(**lost, attempts=3)
        assert media.release_abandoned(now=LATER) == []
        package.refresh_from_db()
        assert (package.state, package.failure_code) == ("failed", "disturbed")


@pytest.mark.django_db
class TestTasks:
    def test_start_what_waits(self, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = attach(TitleFactory.create(), film, now=clock.now())
        assert package is not None
        sent: list[str] = []
        monkeypatch.setattr(tasks.package_media, "delay", lambda *, package_id: sent.append(package_id))
        tasks.package_queued_media(unknown="of a newer release")
        assert sent == [str(package.pk)]
        tasks.package_media(package_id=sent[0], unknown="of a newer release")
        package.refresh_from_db()
        assert package.state == "live"
        tasks.package_queued_media()
        assert len(sent) == 1


@pytest.mark.django_db
class TestPurge:
    def test_removes_what_was_replaced_once_nobody_plays_it(self, film: Path, tmp_path: Path) -> None:
        title = TitleFactory.create()
        old = packaged(title, film)
        new = packaged(title, clips.film(tmp_path / "b.mp4", sounds=()), now=LATER)
        old.refresh_from_db()
        assert (old.state, old.retired_at, new.state) == ("retired", LATER, "live")
        playable = selectors.manifests(title.pk)
        assert playable is not None
        assert playable.package_id == new.pk
        folders = [Path(storages["packages"].path(package.folder)) for package in (old, new)]
        assert media.purge(now=LATER + timedelta(hours=23)) == 0
        assert all(folder.exists() for folder in folders)
        assert media.purge(now=LATER + timedelta(hours=25)) == 1
        assert [folder.exists() for folder in folders] == [False, True]
        # Tracks go after a week, the film that was replaced after a month, the newest film never.
        assert media.purge(now=LATER + timedelta(days=8)) == MediaRendition.objects.count() + 5
        assert not MediaRendition.objects.exists()
        assert media.purge(now=LATER + timedelta(days=31)) == 1
        assert media.purge(now=LATER + timedelta(days=300)) == 0
        private = storages["private"]
        assert [private.exists(f"media/{package.source_id}/source") for package in (old, new)] == [False, True]

    def test_removes_a_film_whose_sender_was_killed_before_there_was_a_row(
        self, film: Path, tmp_path: Path, settings: Any
    ) -> None:
        # Of its own: the films of other tests have no rows either.
        private = settings.STORAGES["private"] | {"OPTIONS": {"location": tmp_path}}
        settings.STORAGES = settings.STORAGES | {"private": private}
        assert media.purge_orphans(now=clock.now()) == 0
        queued = attach(TitleFactory.create(), film)
        assert queued is not None
        storage = storages["private"]
        half = storage.save(f"media/{new_id()}/source", ContentFile(b"half a film"))
        assert media.purge_orphans(now=clock.now()) == 0
        assert media.purge_orphans(now=clock.now() + timedelta(days=1, minutes=1)) == 1
        assert (storage.exists(half), storage.exists(queued.source.file)) == (False, True)


@pytest.mark.django_db
class TestLeftovers:
    @pytest.fixture(autouse=True)
    def folders(self, tmp_path: Path, settings: Any) -> Path:
        """Storages of its own: the films of other tests have no rows."""
        own = {
            name: settings.STORAGES[name] | {"OPTIONS": {"location": tmp_path / name}}
            for name in ("private", "packages")
        }
        settings.STORAGES = settings.STORAGES | own
        return tmp_path

    def half_stored(self, film: Path, **values: Any) -> tuple[MediaPackage, str]:
        """Answer a package whose process was killed while it stored, and the file that it has left."""
        package = attach(TitleFactory.create(), film)
        assert package is not None
        name = storages["packages"].save(f"{package.title_id}/{package.pk}/video/1.m4s", ContentFile(b"half"))
        MediaPackage.objects.filter(pk=package.pk).update(**values)
        return package, name

    RUNNING: ClassVar[dict[str, Any]] = {"state": "running", "lease": uuid4(), "heartbeat_at": NOW}

    def test_of_a_job_that_was_killed_for_the_last_time_go_with_it(self, film: Path) -> None:
        given_up, left = self.half_stored(film, **self.RUNNING, attempts=3)
        again, kept = self.half_stored(film, **self.RUNNING, attempts=2)
        assert media.release_abandoned(now=LATER) == [again.pk]
        given_up.refresh_from_db()
        assert given_up.state == "failed"
        assert [storages["packages"].exists(name) for name in (left, kept)] == [False, True]

    def test_that_cannot_be_deleted_keep_no_other_job_from_being_released(
        self, film: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, left = self.half_stored(film, **self.RUNNING, attempts=3)
        again, _ = self.half_stored(film, **self.RUNNING)

        def away(*_: Any) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as outage:
            outage.setattr(FileSystemStorage, "delete", away)
            assert media.release_abandoned(now=LATER) == [again.pk]
        assert storages["packages"].exists(left)
        assert media.purge_orphans(now=LATER + timedelta(hours=23)) == 0
        assert media.purge_orphans(now=LATER + timedelta(hours=24)) == 1
        assert not storages["packages"].exists(left)

    def test_of_jobs_that_were_replaced_or_of_which_no_row_tells_are_swept(self, film: Path) -> None:
        live = packaged(TitleFactory.create(), film)
        queued, kept = self.half_stored(film)
        _, left = self.half_stored(film, state="retired", retired_at=NOW)
        storage, moment = storages["packages"], clock.now()
        unknown = storage.save(f"{new_id()}/{new_id()}/master.m3u8", ContentFile(b"half"))
        theirs = storage.save("shows/pilot/master.m3u8", ContentFile(b"somebody else's"))
        assert media.purge_orphans(now=NOW + timedelta(hours=23)) == 0
        assert media.purge_orphans(now=NOW + timedelta(days=1)) == 1
        assert media.purge_orphans(now=moment + timedelta(days=6)) == 0
        assert media.purge_orphans(now=moment + timedelta(days=8)) == 1
        assert [storage.exists(name) for name in (left, unknown, kept, theirs)] == [False, False, True, True]
        assert Path(storage.path(live.folder), "master.m3u8").exists()
        assert queued.pk != live.pk

    def test_of_tracks_that_no_row_names_are_swept_once_their_job_has_ended(self, film: Path) -> None:
        package = packaged(TitleFactory.create(), film)
        storage, moment = storages["private"], clock.now()
        left = storage.save(f"media/{package.source_id}/tracks/360p-0123456789abcdef.mp4", ContentFile(b"half"))
        assert media.purge_orphans(now=moment + timedelta(hours=23)) == 0
        MediaPackage.objects.filter(pk=package.pk).update(state="queued", finished_at=None)
        assert media.purge_orphans(now=moment + timedelta(days=2)) == 0
        MediaPackage.objects.filter(pk=package.pk).update(state="live", finished_at=NOW)
        assert media.purge_orphans(now=moment + timedelta(days=2)) == 1
        assert not storage.exists(left)
        assert all(storage.exists(made.file) for made in MediaRendition.objects.all())
        assert MediaRendition.objects.exists()


@pytest.mark.django_db
class TestOutage:
    def test_of_the_storage_is_no_attempt_however_often(self, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = attach(TitleFactory.create(), film)
        assert package is not None

        def away(*_: Any) -> None:
            raise OSError(errno.EHOSTUNREACH, "No route to host")

        with monkeypatch.context() as outage:
            outage.setattr(execution._Job, "_fetch_source", away)
            for _ in range(4):
                with pytest.raises(OSError, match="No route to host"):
                    media.execute(package_id=package.pk, clock=lambda: NOW)
                package.refresh_from_db()
                assert (package.state, package.attempts, package.lease) == ("queued", 0, None)
        assert package.step == "Waits for the storage or the database"
        done = media.execute(package_id=package.pk, clock=lambda: NOW)
        assert done is not None
        assert (done.state, done.attempts) == ("live", 1)

    def test_takes_nothing_from_who_has_begun_the_job_again(self, film: Path) -> None:
        package = attach(TitleFactory.create(), film)
        assert package is not None
        lost = jobs.begin(package_id=package.pk, now=NOW)
        again = jobs.begin(package_id=package.pk, now=LATER)
        assert lost is not None
        assert again is not None
        jobs.hand_back(lost, now=LATER)
        package.refresh_from_db()
        assert (package.state, package.lease, package.attempts) == ("running", again.lease, 1)


@pytest.mark.django_db
class TestConstraints:
    @pytest.mark.parametrize(
        ("values", "name"),
        [
            ({"state": "running"}, "media_running_has_lease"),
            ({"state": "live"}, "media_live_is_whole"),
            ({"state": "failed"}, "media_failed_has_reason"),
            ({"state": "retired"}, "media_retired_has_instant"),
        ],
    )
    def test_refuse_a_package_that_lies(self, film: Path, values: dict[str, Any], name: str) -> None:
        package = attach(TitleFactory.create(), film)
        assert package is not None
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            MediaPackage.objects.filter(pk=package.pk).update(**values)

    def test_allow_one_job_of_a_title_at_once(self, film: Path) -> None:
        package = attach(TitleFactory.create(), film)
        assert package is not None
        with pytest.raises(IntegrityError, match="media_one_unfinished"), transaction.atomic():
            MediaPackage.objects.create(
                title=package.title, source=package.source, key="x", created_by="t", created_at=NOW
            )


@pytest.mark.django_db
class TestS3:
    @pytest.fixture
    def bucket(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        """A server that speaks S3, with a bucket for sources and one for packages."""
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        for name, value in {
            "ACCESS_KEY_ID": "test",
            "SECRET_ACCESS_KEY": "test",
            "DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        options = {**settings.S3_OPTIONS, "endpoint_url": f"http://{host}:{port}"}
        backend = "storages.backends.s3.S3Storage"
        settings.STORAGES = settings.STORAGES | {
            name: {"BACKEND": backend, "OPTIONS": options | {"bucket_name": name, "querystring_auth": True}}
            for name in ("private", "packages")
        }
        client = storages["packages"].connection.meta.client  # type: ignore[attr-defined]  # S3's own
        for name in ("private", "packages"):
            client.create_bucket(Bucket=name)
        yield client
        client.close()
        server.stop()

    def test_holds_sources_tracks_and_packages_as_well(self, bucket: Any, film: Path) -> None:
        title = TitleFactory.create()
        package = packaged(title, film)
        listed = bucket.list_objects_v2(Bucket="packages", Prefix=package.folder)["Contents"]
        assert sum(item["Size"] for item in listed) == package.size
        types = {
            name: bucket.head_object(Bucket="packages", Key=f"{package.folder}/{name}")["ContentType"]
            for name in ("master.m3u8", "manifest.mpd", "v360-1/init.mp4", "v360-1/1.m4s", "t1-en.vtt", "preview/1.jpg")
        }
        assert list(types.values()) == [
            "application/vnd.apple.mpegurl", "application/dash+xml", "video/mp4", "video/iso.segment", "text/vtt",
            "image/jpeg",
        ]  # fmt: skip
        again = media.attach_subtitles(
            title_id=title.pk, language="de", role="subtitles", name="a.srt", data=clips.SRT.encode(), by="t", now=LATER
        )
        assert again is not None
        assert media.execute(package_id=again.pk, clock=lambda: LATER) is not None
        assert media.purge(now=LATER + timedelta(days=2)) == 1
        assert "Contents" not in bucket.list_objects_v2(Bucket="packages", Prefix=package.folder)
