"""Batches over two connections in turn: what comes out is what one connection would have written."""

from __future__ import annotations

import io
import threading
import weakref
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from catalog.models import Credit, ExternalId, IngestRun, Person, PublicationEntry, SearchDocument, SearchWord, Title
from catalog.services import ingestion
from catalog.services.ingestion import applying, batch, relay, runs
from catalog.services.ingestion.caches import Names
from tests.factories.catalog import NOW, ProviderFactory, counts, feed, ingest, movie

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 50


@pytest.fixture(autouse=True)
def of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "BATCH", 10)


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Answer the sizes of the batches that a relay was given."""
    sizes: list[int] = []
    original = relay.Relay.hand_over

    def noting(self: relay.Relay, staged: list[Any]) -> None:
        sizes.append(len(staged))
        original(self, staged)

    monkeypatch.setattr(relay.Relay, "hand_over", noting)
    return sizes


@pytest.fixture
def written_alone(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Answer the sizes of the batches that had to be written again, alone."""
    sizes: list[int] = []
    original = applying._Applier.apply_or_split

    def noting(self: applying._Applier, staged: list[Any]) -> None:
        sizes.append(len(staged))
        original(self, staged)

    monkeypatch.setattr(applying._Applier, "apply_or_split", noting)
    return sizes


@pytest.fixture
def refusing() -> Iterator[None]:
    """Let the database refuse what no rule of ours foresees: films that are rated NC-17."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.value = 'NC-17' THEN RAISE check_violation USING MESSAGE = 'not this one'; END IF;"
            " RETURN NEW; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON catalog_contentrating FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON catalog_contentrating; DROP FUNCTION refuse()")


def rated(number: int, value: str) -> dict[str, Any]:
    return movie(number, ratings=[{"country": "US", "system": "MPAA", "value": value}])


def problems(run: IngestRun) -> list[tuple[int, str, str]]:
    return list(run.problems.order_by("row_number").values_list("row_number", "external_id", "code"))


def _has(written: batch.Batch, external_id: str) -> bool:
    return any(staged.record.external_id == external_id for staged in written.batch)


def test_every_batch_is_written_once_and_whole(handed_over: list[int], written_alone: list[int]) -> None:
    run = ingest(feed(*map(movie, range(MANY + 3))), ProviderFactory.create())
    assert (handed_over, written_alone) == ([10, 10, 10, 10, 10, 3], [])
    assert counts(run) == {"read": 53, "created": 53}
    assert Title.objects.count() == SearchDocument.objects.count() == PublicationEntry.objects.count() == 53
    again = ingest(feed(*map(movie, range(MANY + 3))), run.provider)
    assert counts(again) == {"read": 53, "unchanged": 53}


def test_a_person_whom_the_batch_before_has_made_is_made_once(written_alone: list[int]) -> None:
    credited = [{"name": "Ada Quill", "job": "actor"}, {"name": "Bo Tern", "job": "director"}]
    ingest(feed(*(movie(number, people=credited) for number in range(MANY))), ProviderFactory.create())
    assert sorted(Person.objects.values_list("name", flat=True)) == ["Ada Quill", "Bo Tern"]
    assert (Credit.objects.count(), written_alone) == (2 * MANY, [])


def test_what_was_named_before_the_batch_before_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the delivery, as much is kept in memory."""
    alive: list[weakref.ref[Names]] = []
    most: list[int] = []
    original = relay.Relay.hand_over

    def counting(self: relay.Relay, staged: list[Any]) -> None:
        original(self, staged)
        alive.append(weakref.ref(self._under_way[-1].turn.names))
        most.append(sum(1 for names in alive if names()))

    monkeypatch.setattr(relay.Relay, "hand_over", counting)
    ingest(feed(*map(movie, range(2 * MANY))), ProviderFactory.create())
    assert len(most) == 10
    assert max(most) <= 3


def test_words_are_counted_as_often_as_they_occur() -> None:
    lines = [movie(number, titles={"en": f"Lantern {number}"}) for number in range(MANY)]
    ingest(feed(*lines), ProviderFactory.create())
    assert SearchWord.objects.get(word="lantern").documents == MANY


def test_what_the_database_refuses_is_found_alone_and_all_behind_it_is_written(refusing: None) -> None:
    bad = {13, 14, 27, 49}
    lines = [rated(number, "NC-17" if number in bad else "R") for number in range(MANY)]
    run = ingest(feed(*lines), ProviderFactory.create())
    assert counts(run) == {"read": MANY, "created": MANY - len(bad), "rejected": len(bad)}
    assert problems(run) == [(number + 1, f"m{number}", "refused_by_database") for number in sorted(bad)]
    assert Title.objects.count() == SearchDocument.objects.count() == MANY - len(bad)


def test_an_identifier_of_two_batches_is_the_firsts(
    handed_over: list[int], written_alone: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has not committed for as long as the second, were it to go ahead, would take to claim the identifier too."""
    second_written, write, conclude = threading.Event(), batch.Batch.write, batch.Batch.conclude

    def writing(self: batch.Batch) -> None:
        write(self)
        if _has(self, "m12"):
            second_written.set()

    def concluding(self: batch.Batch) -> None:
        if _has(self, "m8"):
            second_written.wait(0.5)
        conclude(self)

    monkeypatch.setattr(batch.Batch, "write", writing)
    monkeypatch.setattr(batch.Batch, "conclude", concluding)
    shared = [{"namespace": "imdb", "value": "tt0000001"}]
    lines = [movie(number, **({"external_ids": shared} if number in {8, 12} else {})) for number in range(30)]
    provider = ProviderFactory.create()
    ingest(feed(movie(MANY)), provider)  # makes their genre, for which the second would wait too
    written_alone.clear()
    run = ingest(feed(*lines), provider)
    assert (handed_over, written_alone) == ([10, 10, 10], [])
    assert counts(run) == {"read": 30, "created": 30}
    assert problems(run) == [(13, "m12", "external_id_taken")]
    assert ExternalId.objects.get().title.source_records.get().external_id == "m8"


def test_an_error_of_ours_leaves_nothing_of_the_batch_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second batch has all its rows sent when the first fails: neither is there, and the run goes on from there."""
    content = feed(*map(movie, range(MANY)))
    conclude = batch.Batch.conclude

    def failing(self: batch.Batch) -> None:
        if _has(self, "m25"):
            raise ZeroDivisionError
        conclude(self)

    provider = ProviderFactory.create()
    with monkeypatch.context() as broken:
        broken.setattr(batch.Batch, "conclude", failing)
        with pytest.raises(ZeroDivisionError):
            ingest(content, provider)
    assert IngestRun.objects.get().state == "failed"
    assert Title.objects.count() == SearchDocument.objects.count() == 20
    assert counts(ingest(content, provider)) == {"read": MANY, "created": 30, "unchanged": 20}


def test_a_run_that_another_process_has_taken_over_writes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    content = feed(*map(movie, range(MANY)))
    run = ingestion.open_run(
        provider=ProviderFactory.create(), format="jsonl", source_name="feed.jsonl", by="test", now=NOW
    )
    conclude, later = batch.Batch.conclude, NOW + timedelta(minutes=2)

    def overtaken(self: batch.Batch) -> None:
        if _has(self, "m15"):
            IngestRun.objects.filter(pk=run.pk).update(lease="00000000-0000-7000-8000-000000000000")
        conclude(self)

    monkeypatch.setattr(batch.Batch, "conclude", overtaken)
    with pytest.raises(runs.LeaseLost):
        ingestion.execute(run_id=run.pk, open_delivery=lambda _: io.BytesIO(content), clock=lambda: later)
    assert Title.objects.count() == 10


def test_within_a_transaction_of_the_callers_one_connection_writes(handed_over: list[int]) -> None:
    with transaction.atomic():
        run = ingest(feed(*map(movie, range(MANY))), ProviderFactory.create())
    assert handed_over == []
    assert counts(run) == {"read": MANY, "created": MANY}
