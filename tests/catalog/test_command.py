"""`manage.py ingest`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from catalog import reports
from catalog.models import IngestRun, Provider, Title
from catalog.services.ingestion import staging
from catalog.tasks import run_ingest
from tests.factories.catalog import feed, movie

pytestmark = pytest.mark.django_db


def run(path: Path, *options: str) -> int:
    """Answer the exit status."""
    try:
        call_command("ingest", str(path), "--provider", "Harbour Films", "--format", "jsonl", *options)
    except CommandError as error:
        sys.stdout.write(str(error))
        return error.returncode
    except SystemExit as exit_:
        return int(exit_.code or 0)
    return 0


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    path = tmp_path / "feed.jsonl"
    path.write_bytes(feed(movie(1), movie(2)))
    return path


class TestIngest:
    def test_reads_directly_and_reports(self, delivery: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(delivery, "--direct") == 0
        output = capsys.readouterr().out
        assert "Harbour Films is a new provider" in output
        assert "created            2" in output
        assert Provider.objects.get().publish == "review"

    def test_goes_through_a_worker(
        self, delivery: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(run_ingest, "delay", lambda *, run_id: run_ingest(run_id=run_id))
        assert run(delivery) == 0
        assert "created            2" in capsys.readouterr().out
        done = IngestRun.objects.get()
        assert (done.state, bool(done.file)) == ("finished", True)

    @pytest.mark.django_db(transaction=True)
    def test_says_that_the_database_was_lost(
        self, delivery: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def lose(*_: Any, **__: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        monkeypatch.setattr(staging, "stage", lose)
        assert run(delivery, "--direct") == 2
        said = "The database or the storage of files could not be reached. What was written is whole; ingest the file again."
        assert said in capsys.readouterr().out
        lost = IngestRun.objects.get()
        assert (lost.state, lost.failure) == ("failed", said)

    def test_says_by_its_status_that_records_were_rejected(
        self, delivery: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        delivery.write_bytes(feed(movie(1), movie(2, countries=["QQ"])))
        assert run(delivery, "--direct") == 1
        assert "unknown_country" in capsys.readouterr().out
        assert Title.objects.count() == 1

    def test_changes_nothing_on_a_dry_run(self, delivery: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(delivery, "--direct", "--dry-run") == 0
        assert "nothing was changed" in capsys.readouterr().out
        assert not Title.objects.exists()

    @pytest.mark.parametrize("suffix", ["csv", "json"])
    def test_writes_the_report(self, delivery: Path, tmp_path: Path, suffix: str) -> None:
        delivery.write_bytes(feed(movie(1, countries=["QQ"])))
        report = tmp_path / f"report.{suffix}"
        run(delivery, "--direct", "--report", str(report))
        text = report.read_text()
        if suffix == "json":
            assert json.loads(text) == [
                {
                    "row": 1, "id": "m1", "field": "countries", "code": "unknown_country", "severity": "error",
                    "message": "'QQ' is no code of ISO 3166-1: correct it.",
                }
            ]  # fmt: skip
        else:
            # Begins with an apostrophe in the message, as it is; a spreadsheet runs nothing.
            assert text.splitlines()[1].startswith("1,m1,countries,unknown_country,error,")

    def test_refuses_what_it_cannot_read(
        self, delivery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(tmp_path / "nowhere.jsonl", "--direct") == 2
        assert run(delivery, "--direct", "--report", "report.exe") == 2
        delivery.write_bytes(feed({"kind": "feed", "version": 9}))
        assert run(delivery, "--direct") == 2
        assert "header" in capsys.readouterr().out


class TestReports:
    @pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@x", "\tx"])
    def test_run_no_formula(self, value: str) -> None:
        row: dict[str, Any] = {"a": value}
        assert list(reports.as_csv(["a"], [row]))[1].strip('\r\n"') == f"'{value}"

    def test_of_nothing_are_valid(self) -> None:
        assert json.loads("".join(reports.as_json([]))) == []
        assert list(reports.as_csv(["a"], [])) == ["a\r\n"]
