"""Batches over three connections in turn: what comes out is what one connection would have written."""

from __future__ import annotations

import io
import threading
import traceback
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.files.base import ContentFile
from django.db import DatabaseError, InterfaceError, connection, transaction

from catalog.models import (
    Credit,
    ExternalId,
    IngestRun,
    Person,
    PublicationEntry,
    SearchDocument,
    SearchWord,
    SourceRecord,
    Title,
)
from catalog.services import editing, ingestion, people, search
from catalog.services.ingestion import applying, batch, caches, lanes, relay, runs
from catalog.services.ingestion.caches import Names
from tests.billing.threads import apart, await_waiting
from tests.factories.catalog import NOW, ProviderFactory, TitleFactory, counts, feed, ingest, movie
from tests.own_postgres import own_postgres

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 50
IMDB = {"namespace": "imdb", "value": "tt0000001"}
EIDR = {"namespace": "eidr", "value": "10.5240/CF5A-AB7E-A4DB-35FA-BAC5-M"}


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


@pytest.fixture
def overtaking(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let the second batch of ten write all it may before the first concludes; what is in the list, the first does then."""
    acts: list[Any] = []
    second_written, write, conclude = threading.Event(), batch.Batch.write, batch.Batch.conclude

    def writing(self: batch.Batch) -> None:
        if _has(self, "m8"):
            second_written.clear()
        write(self)
        if _has(self, "m12"):
            second_written.set()

    def concluding(self: batch.Batch) -> None:
        if _has(self, "m8"):
            second_written.wait(0.5)
            while acts:
                acts.pop()()
        conclude(self)

    monkeypatch.setattr(batch.Batch, "write", writing)
    monkeypatch.setattr(batch.Batch, "conclude", concluding)
    return acts


@pytest.fixture
def third_written(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Answer what tells that the third batch of ten has been written, and may conclude."""
    written, write = threading.Event(), batch.Batch.write

    def writing(self: batch.Batch) -> None:
        write(self)
        if _has(self, "m25"):
            written.set()

    monkeypatch.setattr(batch.Batch, "write", writing)
    return written


def three_batches(provider: Any, **changes: dict[str, Any]) -> IngestRun:
    """Deliver thirty films, of which the named ones say something else."""
    return ingest(feed(*(movie(number, **changes.get(f"m{number}", {})) for number in range(30))), provider)


def known_provider() -> Any:
    """Answer a provider who has delivered the genre and the director of all, for which one batch would wait for another."""
    provider = ProviderFactory.create()
    ingest(feed(movie(MANY)), provider)
    return provider


def title_of(external_id: str) -> Title:
    return SourceRecord.objects.get(external_id=external_id).title


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


def test_of_large_records_fewer_are_written_at_a_time(handed_over: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "BATCH_BYTES", 1500)
    large = {"synopses": {"en": {"long": "A pier. " * 64}}}
    run = ingest(
        feed(*(movie(number, **large if number < 25 else {}) for number in range(MANY))), ProviderFactory.create()
    )
    assert (handed_over[:8], sum(handed_over)) == ([3, 3, 3, 3, 3, 3, 3, 3], MANY)
    assert counts(run) == {"read": MANY, "created": MANY}


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
    assert max(most) <= lanes.LANES + 1


def test_words_are_counted_as_often_as_they_occur() -> None:
    lines = [movie(number, titles={"en": f"Lantern {number}"}) for number in range(MANY)]
    ingest(feed(*lines), ProviderFactory.create())
    assert SearchWord.objects.get(word="lantern").documents == MANY


def test_of_very_many_words_those_that_come_seldom_are_counted_at_night(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each batch of ten more words are known than are kept: what came less often is not written where it is known."""
    monkeypatch.setattr(caches, "_LIMIT", 2)
    names = {number: f"Lantern {number}" for number in range(MANY)} | {3: "Lantern Quay", 25: "Lantern Quay"}
    ingest(feed(*(movie(number, titles={"en": name}) for number, name in names.items())), ProviderFactory.create())
    counted = dict(SearchWord.objects.filter(word__in=["lantern", "quay"]).values_list("word", "documents"))
    assert counted == {"lantern": MANY, "quay": 1}
    search.refresh_vocabulary()
    assert SearchWord.objects.get(word="quay").documents == 2


def test_what_the_database_refuses_is_found_alone_and_all_behind_it_is_written(refusing: None) -> None:
    bad = {13, 14, 27, 49}
    lines = [rated(number, "NC-17" if number in bad else "R") for number in range(MANY)]
    run = ingest(feed(*lines), ProviderFactory.create())
    assert counts(run) == {"read": MANY, "created": MANY - len(bad), "rejected": len(bad)}
    assert problems(run) == [(number + 1, f"m{number}", "refused_by_database") for number in sorted(bad)]
    assert Title.objects.count() == SearchDocument.objects.count() == MANY - len(bad)


def test_an_identifier_of_two_batches_is_the_firsts(
    handed_over: list[int], written_alone: list[int], overtaking: list[Any]
) -> None:
    """The first has not committed for as long as the second, were it to go ahead, would take to claim the identifier too."""
    provider = known_provider()
    written_alone.clear()
    run = three_batches(provider, m8={"external_ids": [IMDB]}, m12={"external_ids": [IMDB]})
    assert (handed_over, written_alone) == ([10, 10, 10], [])
    assert counts(run) == {"read": 30, "created": 30}
    assert problems(run) == [(13, "m12", "external_id_taken")]
    assert ExternalId.objects.get().title == title_of("m8")


def test_an_identifier_of_the_first_batch_and_the_third_is_the_firsts(
    third_written: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All three are under way: the third waits for the first, though it shares nothing with the second."""
    provider, conclude = known_provider(), batch.Batch.conclude

    def concluding(self: batch.Batch) -> None:
        if _has(self, "m8"):
            assert not third_written.wait(0.5)
        conclude(self)

    monkeypatch.setattr(batch.Batch, "conclude", concluding)
    run = three_batches(provider, m8={"external_ids": [IMDB]}, m25={"external_ids": [IMDB]})
    assert (counts(run), problems(run)) == ({"read": 30, "created": 30}, [(26, "m25", "external_id_taken")])
    assert ExternalId.objects.get().title == title_of("m8")


def test_a_person_whom_the_first_batch_makes_is_the_thirds_too(
    third_written: threading.Event, written_alone: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has nobody to do with them, and the first has yet to commit."""
    provider, conclude = known_provider(), batch.Batch.conclude
    credited = {"people": [{"name": "Ada Quill", "job": "actor"}]}

    def concluding(self: batch.Batch) -> None:
        if _has(self, "m8"):
            assert third_written.wait(5)
        conclude(self)

    monkeypatch.setattr(batch.Batch, "conclude", concluding)
    written_alone.clear()
    run = three_batches(provider, m8=credited, m25=credited)
    assert (counts(run), written_alone) == ({"read": 30, "created": 30}, [])
    assert Person.objects.filter(name="Ada Quill").count() == 1
    assert Credit.objects.filter(person__name="Ada Quill").count() == 2


def test_an_identifier_that_the_batch_before_gives_up_is_free(overtaking: list[Any]) -> None:
    provider = known_provider()
    three_batches(provider, m8={"external_ids": [IMDB]})
    changed: dict[str, dict[str, Any]] = {f"m{number}": {"runtime_seconds": 9} for number in range(30)}
    run = three_batches(provider, **{**changed, "m12": {"external_ids": [IMDB]}})
    assert (counts(run), problems(run)) == ({"read": 30, "updated": 30}, [])
    assert ExternalId.objects.get().title == title_of("m12")


@pytest.mark.parametrize("kept", [False, True])
def test_an_identifier_that_a_later_batch_gives_up_is_free(kept: bool, overtaking: list[Any]) -> None:
    """Two films change their identifiers: in which batches they stand is nobody's business. What an editor chose stays."""
    provider = known_provider()
    three_batches(provider, m8={"external_ids": [IMDB]}, m12={"external_ids": [EIDR]})
    if kept:
        editing.edit(title_id=title_of("m12").pk, fields={}, parts={"external_ids": [EIDR]}, by="user:7", now=NOW)
        Title.objects.filter(pk=title_of("m12").pk).update(edited=["external_ids"])
    changed: dict[str, dict[str, Any]] = {f"m{number}": {"runtime_seconds": 9} for number in range(30)}
    run = three_batches(provider, **{**changed, "m8": {"external_ids": [EIDR]}, "m12": {"external_ids": [IMDB]}})
    assert counts(run) == {"read": 30, "updated": 30}
    assert problems(run) == ([(9, "m8", "external_id_taken")] if kept else [])
    holders = dict(ExternalId.objects.values_list("namespace", "title"))
    assert holders == (
        {"eidr": title_of("m12").pk} if kept else {"eidr": title_of("m8").pk, "imdb": title_of("m12").pk}
    )


def test_identifiers_that_go_round_in_a_circle_of_three_batches_arrive(overtaking: list[Any]) -> None:
    provider, third = known_provider(), {"namespace": "imdb", "value": "tt0000003"}
    three_batches(provider, m8={"external_ids": [IMDB]}, m12={"external_ids": [EIDR]}, m25={"external_ids": [third]})
    circle = {"m8": {"external_ids": [EIDR]}, "m12": {"external_ids": [third]}, "m25": {"external_ids": [IMDB]}}
    changed: dict[str, dict[str, Any]] = {f"m{number}": {"runtime_seconds": 9} for number in range(30)}
    run = three_batches(provider, **{**changed, **circle})
    assert (counts(run), problems(run)) == ({"read": 30, "updated": 30}, [])
    assert dict(ExternalId.objects.values_list("value", "title")) == {
        EIDR["value"]: title_of("m8").pk, third["value"]: title_of("m12").pk, IMDB["value"]: title_of("m25").pk,
    }  # fmt: skip


def test_a_title_that_a_record_of_the_batch_before_describes_is_not_described_by_another(overtaking: list[Any]) -> None:
    provider, ours = known_provider(), TitleFactory.create()
    for item in (IMDB, EIDR):
        ExternalId.objects.create(title=ours, **item)
    run = three_batches(provider, m8={"external_ids": [IMDB]}, m12={"external_ids": [EIDR]})
    assert (counts(run), problems(run)) == ({"read": 30, "created": 29, "updated": 1}, [])
    assert (title_of("m8"), title_of("m12") == ours) == (ours, False)
    assert set(ExternalId.objects.values_list("value", "title")) == {
        (IMDB["value"], ours.pk), (EIDR["value"], title_of("m12").pk),
    }  # fmt: skip


def test_what_editors_have_changed_waits_for_the_words_of_the_batch_before(
    written_alone: list[int], overtaking: list[Any]
) -> None:
    """Neither has written a word before the one before it has committed: or each would wait for the other."""
    provider = known_provider()
    three_batches(provider)
    name = {"language": "en", "name": "Lantern"}
    editing.edit(title_id=title_of("m12").pk, fields={}, parts={"texts": [name]}, by="user:7", now=NOW)
    written_alone.clear()
    run = three_batches(provider, **{f"m{number}": {"titles": {"en": f"Lantern {number}"}} for number in range(30)})
    assert (counts(run), written_alone) == ({"read": 30, "updated": 30}, [])
    assert SearchDocument.objects.get(title=title_of("m12")).name == "lantern"


def test_two_batches_that_would_wait_for_each_other_are_written_alone(
    written_alone: list[int], overtaking: list[Any]
) -> None:
    """The first asks for a row that the second holds, which waits for the first's commit: PostgreSQL sees both."""
    provider = known_provider()
    three_batches(provider)
    held = title_of("m12").pk
    overtaking.append(lambda: list(Title.objects.filter(pk=held).locked()))
    written_alone.clear()
    run = three_batches(provider, **{f"m{number}": {"runtime_seconds": 9} for number in range(30)})
    assert (counts(run), problems(run)) == ({"read": 30, "updated": 30}, [])
    assert (overtaking, written_alone[:2]) == ([], [10, 10])
    assert set(Title.objects.filter(source_records__external_id__in=["m8", "m12"]).values_list("runtime_seconds")) == {
        (9,)
    }


@pytest.mark.parametrize("number", [5, 30])
def test_a_batch_that_crosses_somebody_else_is_written_again(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [1, 1]
    conclude = batch.Batch.conclude

    def crossing(self: batch.Batch) -> None:
        conclude(self)
        if _has(self, "m3") and left:
            left.pop()
            with connection.cursor() as cursor:
                cursor.execute("DO $$ BEGIN RAISE deadlock_detected; END $$")

    monkeypatch.setattr(batch.Batch, "conclude", crossing)
    run = ingest(feed(*map(movie, range(number))), ProviderFactory.create())
    assert (counts(run), problems(run), left) == ({"read": number, "created": number}, [], [])
    assert Title.objects.count() == SearchDocument.objects.count() == number


def test_a_pool_too_small_for_all_has_one_write(handed_over: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"pool": {"min_size": 1, "max_size": lanes.LANES}})
    run = ingest(feed(*map(movie, range(MANY))), ProviderFactory.create())
    assert (handed_over, counts(run)) == ([], {"read": MANY, "created": MANY})


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


def test_a_database_that_restarts_while_both_write_loses_nothing(
    tmp_path: Path, overtaking: list[Any], handed_over: list[int]
) -> None:
    """Neither batch has committed; the run is begun again, and ends with exactly the rows that it would have written."""
    with own_postgres(tmp_path) as postgres:

        def restart() -> None:
            postgres.stop()
            postgres.start()

        provider, content = known_provider(), feed(*map(movie, range(30)))
        run = ingestion.open_run(
            provider=provider, format="jsonl", source_name="feed.jsonl", by="test", now=NOW, content=ContentFile(content)
        )  # fmt: skip

        def execute() -> IngestRun | None:
            return ingestion.execute(run_id=run.pk, open_delivery=lambda _: io.BytesIO(content), clock=lambda: NOW)

        overtaking.append(restart)
        with pytest.raises(ingestion.Interrupted) as lost:
            execute()
        # Nobody tries to write down in a lost database that it is lost.
        assert isinstance(lost.value.__cause__, (DatabaseError, InterfaceError, psycopg.Error))
        assert "end" not in [frame.name for frame in traceback.extract_tb(lost.value.__cause__.__traceback__)]
        assert (overtaking, handed_over) == ([], [10, 10, 10])
        run.refresh_from_db()
        assert (run.state, run.attempts, run.read, run.created) == ("queued", 0, 30, 0)
        assert Title.objects.count() == 1
        assert ingestion.release_abandoned(now=NOW + timedelta(minutes=2)) == [run.pk]
        done = execute()
        assert done is not None
        assert (done.state, counts(done), problems(done)) == ("finished", {"read": 30, "created": 30}, [])
        assert (done.attempts, done.failure) == (1, "")
        assert Title.objects.count() == SearchDocument.objects.count() == Credit.objects.count() == 31
        assert (Person.objects.count(), PublicationEntry.objects.count()) == (1, 31)


def test_a_person_who_is_merged_while_two_batches_credit_them_is_credited_no_more(overtaking: list[Any]) -> None:
    """Both know them from their cache. The merge waits for both, and takes over what they have written."""
    provider = known_provider()
    ingest(feed(movie(MANY + 1, people=[{"name": "I. Caldera", "job": "director"}])), provider)
    kept, merged = (Person.objects.get(name=name) for name in ("Ines Caldera", "I. Caldera"))

    def merge() -> None:
        people.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:7", now=NOW)

    merging: list[Future[None]] = []

    def begin_merge() -> None:
        merging.append(elsewhere.submit(apart, merge))
        await_waiting(2)

    overtaking.append(begin_merge)
    credited = [{"name": "I. Caldera", "job": "director"}]
    with ThreadPoolExecutor(1) as elsewhere:
        run = three_batches(provider, **{f"m{number}": {"people": credited} for number in range(30)})
    [done] = merging
    done.result()
    assert (counts(run), problems(run)) == ({"read": 30, "created": 30}, [])
    assert set(Credit.objects.values_list("person__name")) == {("Ines Caldera",)}
    assert Credit.objects.count() == 32
