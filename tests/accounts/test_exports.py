"""The archive of what the platform holds about a person: complete, private, one at a time, made by a worker."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.files.storage import storages

from accounts import rules, tasks
from accounts.models import AuditEntry, DataExport, User
from accounts.services import exports
from accounts.services.audit import NOWHERE
from core import personal_data
from core.clock import now
from core.ids import new_id
from core.personal_data import Contributor, Stream
from tests.accounts.conftest import App, mails_to
from tests.factories.accounts import AccountFactory, ProfileFactory, sign_in

pytestmark = pytest.mark.django_db
PATH = "/api/v1/account/exports"


@pytest.fixture(autouse=True)
def private_files(settings: Any, tmp_path: Path) -> Path:
    """Keep archives of tests in a folder of their own."""
    settings.STORAGES = {
        **settings.STORAGES,
        "private": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path, "file_permissions_mode": 0o600},
        },
    }
    return tmp_path


@pytest.fixture
def account() -> User:
    account: User = AccountFactory.create(email="ada@example.com")
    ProfileFactory.create(account=account, name="=cmd|calc")
    ProfileFactory.create(account=account, name="Zoë")
    return account


def app_of(account: User, **sign_in_as: Any) -> App:
    app = App()
    app.token = sign_in(account, **sign_in_as)
    return app


def made(app: App) -> str:
    """Ask for an archive and have it made; answers its address."""
    asked = app.call("post", PATH)
    assert asked.status_code == 202, asked.content
    tasks.build_export(export_id=asked.json()["id"])
    return f"{PATH}/{asked.json()['id']}"


def content(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


class TestExport:
    def test_is_asked_for_built_announced_and_downloaded(self, account: User, private_files: Path) -> None:
        app = app_of(account)
        asked = app.call("post", PATH).json()
        assert (asked["state"], asked["contents"]) == ("collecting", [])
        assert app.call("get", f"{PATH}/{asked['id']}/archive").json()["code"] == "export_not_ready"
        tasks.build_due_exports(unknown="argument of a later release")
        tasks.build_export(export_id=asked["id"])

        ready = app.call("get", f"{PATH}/{asked['id']}").json()
        assert ready["state"] == "ready"
        assert mails_to(account.email)[-1] == "account/email/export_ready"
        [file] = private_files.rglob("*.zip")
        assert file.stat().st_mode & 0o077 == 0
        answer = app.call("get", f"{PATH}/{asked['id']}/archive")
        assert re.fullmatch(r'attachment; filename="your-data-[\d-]+.zip"', answer.headers["Content-Disposition"])
        assert answer.headers["Cache-Control"] == "no-store"
        body = content(answer)
        assert (len(body), hashlib.sha256(body).hexdigest()) == (ready["size"], ready["sha256"])
        acts = AuditEntry.objects.order_by("at", "pk").values_list("act", flat=True)
        assert list(acts) == ["export_requested", "export_downloaded"]

    def test_has_a_table_of_contents(self, account: User) -> None:
        app = app_of(account)
        archive = zipfile.ZipFile(io.BytesIO(content(app.call("get", f"{made(app)}/archive"))))
        assert archive.testzip() is None
        listed = archive.read("contents.txt").decode()
        print(f"\n{listed}")  # noqa: T201 - for whoever runs it with -s
        described = json.loads(archive.read("contents.json"))
        assert described["account"] == str(account.pk)
        counts = {f"{entry['app']}/{entry['name']}": entry["records"] for entry in described["contents"]}
        assert {name: count for name, count in counts.items() if count} == {
            "accounts/account": 1, "accounts/addresses": 1, "accounts/profiles": 2, "accounts/sessions": 1,
            "accounts/devices": 1, "accounts/activity": 1, "accounts/exports": 1,
        }  # fmt: skip
        assert {"billing/invoices", "billing/subscriptions", "billing/payment_methods"} <= counts.keys()
        named = {file for entry in described["contents"] for file in entry["files"]}
        assert named | {"contents.txt", "contents.json"} == set(archive.namelist())

    def test_says_the_same_as_json_and_as_csv_and_never_as_a_formula(self, account: User) -> None:
        app = app_of(account)
        archive = zipfile.ZipFile(io.BytesIO(content(app.call("get", f"{made(app)}/archive"))))
        records = json.loads(archive.read("accounts/profiles.json"))
        rows = list(csv.DictReader(io.StringIO(archive.read("accounts/profiles.csv").decode("utf-8-sig"))))
        assert [record["name"] for record in records] == ["=cmd|calc", "Zoë"]
        assert [row["name"] for row in rows] == ["'=cmd|calc", "Zoë"]
        assert [row["id"] for row in rows] == [record["id"] for record in records]
        assert rows[0].keys() == records[0].keys()

    def test_is_made_one_at_a_time(self, account: User) -> None:
        app = app_of(account)
        app.call("post", PATH)
        again = app.call("post", PATH)
        assert (again.status_code, again.json()["code"]) == (409, "export_under_way")
        assert DataExport.objects.count() == 1

    def test_is_the_owners_alone(self, account: User) -> None:
        address = made(app_of(account))
        stranger = app_of(AccountFactory.create())
        unknown = stranger.call("get", f"{PATH}/{new_id()}/archive").json()
        for path in (address, f"{address}/archive"):
            answer = stranger.call("get", path)
            assert (answer.status_code, answer.json()["code"]) == (404, "export_not_found")
            assert answer.json()["title"] == unknown["title"]
        assert App().call("get", f"{address}/archive").status_code == 401

    def test_needs_a_recent_proof_to_ask_and_to_download(self, account: User) -> None:
        address = made(app_of(account))
        stale = app_of(account, proved_at=now() - timedelta(minutes=16))
        for method, path in (("post", PATH), ("get", f"{address}/archive")):
            assert stale.call(method, path).json()["code"] == "reauthentication_required"
        assert stale.call("get", address).status_code == 200
        television = app_of(account, kind=rules.TELEVISION)
        for method, path in (("post", PATH), ("get", PATH), ("get", address), ("get", f"{address}/archive")):
            assert television.call(method, path).json()["code"] == "not_on_television"

    def test_is_deleted_after_seven_days(self, account: User, private_files: Path) -> None:
        app = app_of(account)
        address = made(app)
        with time_machine.travel(now() + timedelta(days=7, seconds=1)):
            assert app_of(account).call("get", f"{address}/archive").status_code == 404
            tasks.purge()
        assert list(private_files.rglob("*.zip")) == []
        assert not DataExport.objects.exists()

    def test_lists_with_the_same_queries_for_many_as_for_one(
        self, account: User, django_assert_num_queries: Any
    ) -> None:
        app = app_of(account)
        for _ in range(3):
            made(app)
        with django_assert_num_queries(2):
            assert len(app.call("get", PATH).json()["results"]) == 3


class Dying:
    """Records of which one kills the worker, once."""

    def __init__(self) -> None:
        self.deaths = 1

    def export(self, *, account_id: Any) -> Iterator[Stream]:
        yield Stream("before", iter([{"n": 1}]))
        yield Stream("deadly", self._records())

    def _records(self) -> Iterator[dict[str, int]]:
        yield {"n": 1}
        if self.deaths:
            self.deaths -= 1
            raise SystemExit
        yield {"n": 2}


def only(monkeypatch: pytest.MonkeyPatch, export: Any) -> None:
    contributor = Contributor("accounts", export, lambda **_: None, frozenset())
    monkeypatch.setattr(personal_data, "_contributors", {"accounts": contributor})


class TestKilledWorker:
    def test_is_followed_by_another_that_leaves_one_whole_archive(
        self, account: User, private_files: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        only(monkeypatch, Dying().export)
        asked = exports.request(account_id=account.pk, by=account, now=now(), origin=NOWHERE)
        with pytest.raises(SystemExit):
            exports.build(export_id=asked.pk, now=now())
        assert not exports.build(export_id=asked.pk, now=now())  # still its own
        storages["private"].save(f"exports/{asked.pk}.zip", io.BytesIO(b"half an archive"))
        assert exports.build(export_id=asked.pk, now=now() + exports.LEASE)
        [file] = private_files.rglob("*.zip")
        assert json.loads(zipfile.ZipFile(file).read("accounts/deadly.json")) == [{"n": 1}, {"n": 2}]

    def test_dying_for_ever_ends_it_and_lets_its_owner_ask_anew(self, account: User) -> None:
        asked = exports.request(account_id=account.pk, by=account, now=now(), origin=NOWHERE)
        DataExport.objects.update(attempts=exports.ATTEMPTS)
        assert not exports.build(export_id=asked.pk, now=now())
        app = app_of(account)
        assert app.call("get", f"{PATH}/{asked.pk}").json()["state"] == "failed"
        assert app.call("post", PATH).status_code == 202


class TestMemory:
    def test_does_not_grow_with_the_records(self, monkeypatch: pytest.MonkeyPatch) -> None:
        peaks = []
        for count in (2_000, 40_000):
            only(monkeypatch, lambda account_id, count=count: [Stream("many", ({"n": n} for n in range(count)))])
            tracemalloc.start()
            with io.BytesIO() as discarded:
                exports.write(discarded, account_id=new_id(), made_at=now())
                size = len(discarded.getbuffer())
            peaks.append(tracemalloc.get_traced_memory()[1] - size)
            tracemalloc.stop()
        assert peaks[1] < peaks[0] + 600_000, peaks


class TestStrays:
    def test_are_removed_and_nothing_else(self, account: User, private_files: Path) -> None:
        # A worker stored its archive after the account was erased, and was killed before it looked.
        asked = exports.request(account_id=account.pk, by=account, now=now(), origin=NOWHERE)
        assert exports.build(export_id=asked.pk, now=now())
        stray, other = private_files / "exports" / f"{new_id()}.zip", private_files / "invoice.pdf"
        for file in (stray, other):
            file.write_bytes(b"left behind")
        assert exports.purge(now=now()) == 1
        assert sorted(file.name for file in private_files.rglob("*.*")) == sorted([f"{asked.pk}.zip", "invoice.pdf"])

    def test_of_nobody_are_none(self) -> None:
        assert exports.purge(now=now()) == 0


class TestMany:
    def test_in_a_day_are_refused_after_the_third(self, account: User) -> None:
        app = app_of(account)
        for _ in range(3):
            assert app.call("post", PATH).status_code == 202
            DataExport.objects.update(ready_at=now(), expires_at=now() + exports.KEPT, sha256="0" * 64)
        refused = app.call("post", PATH)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_exports")
        assert refused.json()["retry_after"] == pytest.approx(24 * 3600, abs=60)
        assert DataExport.objects.count() == 3
        with time_machine.travel(now() + timedelta(days=1, seconds=1)):
            assert app_of(account).call("post", PATH).status_code == 202
