"""core.personal_data: the walk over the apps that hold something about a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from core import personal_data
from core.errors import DomainError
from core.ids import new_id
from core.personal_data import Contributor, Stream, Tally

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class MoneyUnderWay(DomainError):
    """A reason to wait."""

    code = "test_money_under_way"
    title = "Money is under way."


class Tallies(dict[str, list[tuple[str, int]]]):
    """What each app noted."""

    def __call__(self, name: str) -> Tally:
        return lambda model, rows: self.setdefault(name, []).append((model, rows))


def erase(**arguments: Any) -> Iterator[str]:
    return personal_data.erase(account_id=new_id(), now=NOW, **{"tally": Tallies(), **arguments})


class Recorder:
    """A contributor that notes its calls, and fails as often as it is told to."""

    def __init__(self, name: str, calls: list[str], failures: int = 0) -> None:
        self.name, self.calls, self.failures = name, calls, failures

    def contributor(self) -> Contributor:
        return Contributor(
            self.name, self.export, self.erase, frozenset(), {f"{self.name}.Kept": "the law says so"}, self.hinders
        )

    def export(self, *, account_id: UUID) -> Iterable[Stream]:
        yield Stream(f"{self.name}-records", iter([{"account": str(account_id)}]))

    def hinders(self, *, account_id: UUID) -> DomainError | None:
        return MoneyUnderWay(self.name) if self.failures else None

    def erase(self, *, account_id: UUID, now: datetime, tally: Tally) -> None:
        self.calls.append(self.name)
        tally(f"{self.name}.Record", 1)
        if self.failures:
            self.failures -= 1
            raise ConnectionError


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Start with nobody registered; what `register_all` adds notes its calls here."""
    monkeypatch.setattr(personal_data, "_contributors", {})
    return []


def register_all(calls: list[str], **failures: int) -> None:
    # in any order: what counts is where the apps stand
    for name in ("accounts", "billing", "core"):
        personal_data.register(Recorder(name, calls, failures.get(name, 0)).contributor())


class TestErase:
    def test_goes_from_the_topmost_app_down(self, calls: list[str]) -> None:
        register_all(calls)
        assert list(erase()) == ["billing", "accounts", "core"]
        assert calls == ["billing", "accounts", "core"]

    def test_does_an_app_only_when_asked_for_the_next(self, calls: list[str]) -> None:
        register_all(calls)
        walk = erase()
        assert next(walk) == "billing"
        assert calls == ["billing"]

    def test_ends_where_an_app_fails_and_resumes_there(self, calls: list[str]) -> None:
        register_all(calls, accounts=1)
        walk = erase()
        done = [next(walk)]
        with pytest.raises(ConnectionError):
            next(walk)
        assert (done, calls) == (["billing"], ["billing", "accounts"])

        assert list(erase(done=done)) == ["accounts", "core"]
        assert calls == ["billing", "accounts", "accounts", "core"]

    def test_notes_each_apps_counts_under_its_name(self, calls: list[str]) -> None:
        register_all(calls)
        tallies = Tallies()
        assert len(list(erase(tally=tallies))) == 3
        assert tallies == {name: [(f"{name}.Record", 1)] for name in ("billing", "accounts", "core")}


class TestHindrance:
    def test_is_the_topmost_apps_reason(self, calls: list[str]) -> None:
        register_all(calls, accounts=1, core=1)
        reason = personal_data.hindrance(account_id=new_id())
        assert reason is not None
        assert reason.detail == "accounts"
        assert calls == []

    def test_is_none_when_all_are_ready(self, calls: list[str]) -> None:
        register_all(calls)
        assert personal_data.hindrance(account_id=new_id()) is None


class TestExport:
    def test_names_each_stream_with_its_app(self, calls: list[str]) -> None:
        register_all(calls)
        account_id = new_id()
        exported = [
            (app, stream.name, list(stream.records)) for app, stream in personal_data.export(account_id=account_id)
        ]
        assert exported == [
            (app, f"{app}-records", [{"account": str(account_id)}]) for app in ("billing", "accounts", "core")
        ]


class TestRegister:
    def test_refuses_a_second_contributor_of_an_app(self, calls: list[str]) -> None:
        register_all(calls)
        with pytest.raises(ValueError, match="accounts"):
            register_all(calls)
        assert len(personal_data.contributors()) == 3

    def test_refuses_an_app_that_is_not_installed(self, calls: list[str]) -> None:
        with pytest.raises(LookupError):
            personal_data.register(Recorder("nowhere", calls).contributor())


class TestReasonsToKeep:
    def test_gathers_those_of_all_apps(self, calls: list[str]) -> None:
        register_all(calls)
        assert personal_data.reasons_to_keep()["billing.Kept"] == "the law says so"
        assert len(personal_data.reasons_to_keep()) == 3
