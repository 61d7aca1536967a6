"""Versions, locks, reviews and plans."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from catalog.models import (
    EditLock,
    ExternalId,
    Genre,
    Keyword,
    Person,
    PublicationEntry,
    Review,
    Revision,
    ScheduledAct,
    Title,
)
from catalog.selectors import revisions as versions
from catalog.services import editing, locks, matching, publication, reviews, scheduling, tags, titles
from catalog.tasks import carry_out_plans
from tests.factories.catalog import (
    NOW,
    CreditFactory,
    ProviderFactory,
    RatingFactory,
    TitleFactory,
    feed,
    ingest,
    movie,
)

pytestmark = pytest.mark.django_db

DRAFT: dict[str, Any] = {"state": "draft", "published_at": None}
LATER = NOW + timedelta(hours=1)
ANNA, BORIS = "user:anna", "user:boris"


def edit(title: Title, *, by: str = ANNA, fields: Any = None, **parts: Any) -> Title:
    return editing.edit(title_id=title.pk, fields=fields or {}, parts=parts, by=by, now=LATER)


def text(name: str, synopsis: str = "", language: str = "en") -> dict[str, str]:
    return {"language": language, "name": name, "synopsis_short": synopsis}


@contextmanager
def broken(title: Title) -> Iterator[None]:
    """Have the database fail whenever this title is published, as a full disk would."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$;
            CREATE TRIGGER fail BEFORE INSERT ON catalog_publicationentry
                FOR EACH ROW WHEN (NEW.title_id = '{title.pk}') EXECUTE FUNCTION fail()
            """
        )
        yield
        cursor.execute("DROP TRIGGER fail ON catalog_publicationentry; DROP FUNCTION fail()")


def said(changes: list[versions.Change]) -> list[tuple[str, str]]:
    """Answer changes with what was [taken-] and {added+}."""
    marks = {"kept": "{}", "taken": "[{}-]", "added": "{{{}+}}"}
    return [(change.label, "".join(marks[word.state].format(word.text) for word in change.words)) for change in changes]


class TestRevisions:
    def test_of_a_first_edit_are_what_it_was_and_what_it_became(self) -> None:
        title = TitleFactory.create(name="Nosferatu", runtime_seconds=60)
        edit(title, fields={"runtime_seconds": 75}, texts=[text("Nosferatu", "A long night")])
        edit(title, by=BORIS, texts=[text("Nosferatu", "A short night")])
        kept = [(revision.number, revision.by) for revision in Revision.objects.order_by("number")]
        assert kept == [(1, ""), (2, ANNA), (3, BORIS)]
        [(_, second), (_, first), _] = versions.history(title.pk)
        assert second is not None
        assert first is not None
        newest = Revision.objects.get(number=3)
        assert said(versions.difference(second.snapshot, newest.snapshot)) == [
            ("Texts: en, synopsis short", "A [long -]{short +}night"),
        ]
        assert said(versions.difference(first.snapshot, second.snapshot)) == [
            ("Runtime seconds", "[60-]{75+}"),
            ("Texts: en, synopsis short", "{A long night+}"),
        ]

    def test_name_people_and_say_what_came_and_went(self) -> None:
        title = TitleFactory.create()
        CreditFactory.create(title=title, character="Mina")
        other = Person.objects.create(name="Otto Lang")
        before = versions.snapshot(title.pk)
        edit(title, credits=[{"person": other, "job": "director", "billing": 1}])
        assert said(versions.difference(before, versions.snapshot(title.pk))) == [
            ("Credits", "[Ines Caldera actor Mina-]"),
            ("Credits", "{Otto Lang director (billing 1)+}"),
        ]

    def test_leave_out_what_says_nothing_new(self) -> None:
        title = TitleFactory.create(runtime_seconds=60)
        edit(title, fields={"runtime_seconds": 60})
        assert Revision.objects.count() == 1

    def test_come_from_deliveries_to_what_is_public_and_not_from_a_first_import(self) -> None:
        public, draft = ProviderFactory.create(code="acme"), ProviderFactory.create(publish="review")
        for provider, number in ((public, 1), (draft, 2)):
            ingest(feed(movie(number, runtime_seconds=60)), provider)
        assert Revision.objects.count() == 0
        for provider, number in ((public, 1), (draft, 2)):
            ingest(feed(movie(number, runtime_seconds=75)), provider)
        assert [(revision.number, revision.by) for revision in Revision.objects.order_by("number")] == [
            (1, ""), (2, "provider:acme"),
        ]  # fmt: skip
        [(_, before), _] = versions.history(Revision.objects.first().title_id)  # type: ignore[union-attr]  # made above
        assert before is not None
        assert before.snapshot["fields"]["runtime_seconds"] == 60

    def test_cost_the_same_queries_for_many_titles(self, django_assert_num_queries: Any) -> None:
        titles = [TitleFactory.create().pk for _ in range(3)]
        with django_assert_num_queries(1 + len(versions.PARTS)):
            versions.snapshots(titles)

    @given(st.text(max_size=60), st.text(max_size=60))
    def test_differences_hold_both_texts_whole(self, before: str, after: str) -> None:
        # What was kept and taken is the old text; what was kept and added is the new one.
        words = versions._words(before, after)
        assert "".join(word.text for word in words if word.state != "added") == before
        assert "".join(word.text for word in words if word.state != "taken") == after


class TestRevert:
    def test_makes_it_again_what_it_was_as_a_new_revision(self) -> None:
        title = TitleFactory.create(name="Before", release_date=date(1922, 3, 4), release_precision="day")
        RatingFactory.create(title=title)
        credit = CreditFactory.create(title=title)
        before = versions.snapshot(title.pk)
        edit(
            title,
            fields={"release_date": None, "release_precision": "", "countries": ["DE"]},
            texts=[text("After")],
            credits=[],
            ratings=[],
            windows=[],
        )
        assert versions.snapshot(title.pk) != before
        reverted = editing.revert(title_id=title.pk, number=1, by=BORIS, now=LATER)
        assert versions.fingerprint(versions.snapshot(title.pk)) == versions.fingerprint(before)
        assert (title.ratings.get().minimum_age, title.credits.get().person_id) == (13, credit.person_id)
        assert (reverted.revision, Revision.objects.get(number=3).note) == (3, "Reverted to revision 1")
        assert Revision.objects.get(number=3).by == BORIS

    def test_to_what_it_is_changes_nothing(self) -> None:
        title = TitleFactory.create()
        edit(title, fields={"runtime_seconds": 5})
        editing.revert(title_id=title.pk, number=2, by=BORIS, now=LATER)
        title.refresh_from_db()
        assert (title.revision, Revision.objects.count()) == (2, 2)

    def test_refuses_what_belongs_elsewhere_by_now(self) -> None:
        title = TitleFactory.create()
        ExternalId.objects.create(title=title, namespace="imdb", value="tt1")
        edit(title, external_ids=[])
        ExternalId.objects.create(title=TitleFactory.create(), namespace="imdb", value="tt1")
        with pytest.raises(editing.CannotRevert, match="imdb"):
            editing.revert(title_id=title.pk, number=1, by=BORIS, now=LATER)
        title.refresh_from_db()
        assert (title.revision, title.external_ids.count()) == (2, 0)

    def test_finds_a_genre_and_a_keyword_that_were_merged_and_gave_up_their_spelling(self) -> None:
        title = TitleFactory.create()
        kept, merged = (Genre.objects.create(name=name, slug=name) for name in ("scary", "horror"))
        known, other = (Keyword.objects.create(name=name) for name in ("ghost", "ghosts"))
        edit(title, genres=[{"genre_id": merged.pk, "position": 0}], keywords=[{"keyword_id": other.pk}])
        edit(title, genres=[], keywords=[])
        tags.merge(model=Genre, kept_id=kept.pk, merged_id=merged.pk)
        tags.merge(model=Keyword, kept_id=known.pk, merged_id=other.pk)
        tags.save_genre(genre_id=kept.pk, name="Horror", slug="horror")
        tags.save_keyword(keyword_id=known.pk, name="ghosts")
        editing.revert(title_id=title.pk, number=2, by=BORIS, now=LATER)
        connection.check_constraints()
        assert (title.title_genres.get().genre, title.title_keywords.get().keyword) == (kept, known)
        assert Genre.objects.get(slug="scary").merged_into == kept

    def test_refuses_a_revision_that_is_not(self) -> None:
        with pytest.raises(editing.RevisionUnknown):
            editing.revert(title_id=TitleFactory.create().pk, number=9, by=BORIS, now=LATER)


class TestEditedMeanwhile:
    def test_is_refused_and_loses_neither(self) -> None:
        title = TitleFactory.create(name="First")
        seen = versions.fingerprint(versions.snapshot(title.pk))
        edit(title, by=BORIS, texts=[text("Second")])
        with pytest.raises(editing.EditedMeanwhile):
            editing.edit(
                title_id=title.pk, fields={"runtime_seconds": 9}, parts={}, by=ANNA, now=LATER, seen=seen
            )  # fmt: skip
        title.refresh_from_db()
        assert (title.texts.get().name, title.runtime_seconds, title.revision) == ("Second", None, 2)

    def test_is_said_of_what_was_merged_into_another_and_where_to_change_it(self) -> None:
        kept, merged = TitleFactory.create(name="First"), TitleFactory.create(name="Second")
        seen = versions.fingerprint(versions.snapshot(merged.pk))
        matching.merge(kept_id=kept.pk, merged_id=merged.pk, by=BORIS, now=LATER)
        merged.refresh_from_db()
        before = (merged.revision, merged.edited)
        with pytest.raises(titles.TitleMerged, match=str(kept.pk)):
            editing.edit(title_id=merged.pk, fields={"runtime_seconds": 9}, parts={}, by=ANNA, now=LATER, seen=seen)
        with pytest.raises(titles.TitleMerged):
            reviews.request(title_id=merged.pk, by=ANNA, now=LATER)
        merged.refresh_from_db()
        assert (merged.runtime_seconds, (merged.revision, merged.edited)) == (None, before)

    def test_is_not_said_of_what_only_a_part_has_touched(self) -> None:
        title = TitleFactory.create()
        seen = versions.fingerprint(versions.snapshot(title.pk))
        Title.objects.filter(pk=title.pk).update(revision=7)
        editing.edit(title_id=title.pk, fields={"runtime_seconds": 9}, parts={}, by=ANNA, now=LATER, seen=seen)
        title.refresh_from_db()
        assert (title.runtime_seconds, title.revision) == (9, 8)


class TestLock:
    def test_keeps_other_editors_out_until_it_is_released(self) -> None:
        title = TitleFactory.create()
        locks.lock(title_id=title.pk, by=ANNA, now=NOW, reason="Festival cut")
        for refused in (
            lambda: edit(title, by=BORIS, fields={"runtime_seconds": 5}),
            lambda: locks.lock(title_id=title.pk, by=BORIS, now=NOW),
            lambda: locks.unlock(title_id=title.pk, by=BORIS),
        ):
            with pytest.raises(locks.TitleLocked, match=r"user:anna has kept .* Festival cut"):
                refused()
        edit(title, by=ANNA, fields={"runtime_seconds": 5})
        locks.unlock(title_id=title.pk, by=ANNA)
        edit(title, by=BORIS, fields={"runtime_seconds": 6})
        title.refresh_from_db()
        assert (title.runtime_seconds, EditLock.objects.count()) == (6, 0)

    def test_is_broken_by_whoever_may(self) -> None:
        title = TitleFactory.create()
        locks.lock(title_id=title.pk, by=ANNA, now=NOW)
        locks.unlock(title_id=title.pk, by=BORIS, may_break=True)
        assert EditLock.objects.count() == 0

    def test_does_not_stop_a_delivery(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, runtime_seconds=60)), provider)
        title = Title.objects.get()
        locks.lock(title_id=title.pk, by=ANNA, now=NOW)
        ingest(feed(movie(1, runtime_seconds=75)), provider)
        title.refresh_from_db()
        assert title.runtime_seconds == 75


class TestReview:
    def test_publishes_a_draft_when_another_approves(self) -> None:
        title = TitleFactory.create(**DRAFT)
        review = reviews.request(title_id=title.pk, by=ANNA, now=NOW, note="Ready")
        done = reviews.approve(review_id=review.pk, by=BORIS, now=LATER, comment="Good")
        title.refresh_from_db()
        assert (title.state, title.published_at) == ("published", LATER)
        assert (done.state, done.decided_by, done.decided_at, done.comment) == ("approved", BORIS, LATER, "Good")
        assert PublicationEntry.objects.get().reason == f"Review by {BORIS}"

    def test_makes_a_change_of_what_is_public_when_another_approves(self) -> None:
        title = TitleFactory.create(name="Old")
        person = Person.objects.create(name="Otto Lang")
        review = reviews.request(
            title_id=title.pk,
            by=ANNA,
            now=NOW,
            fields={"release_date": date(2020, 1, 2), "release_precision": "day"},
            parts={"texts": [text("New")], "credits": [{"person": person, "job": "actor"}]},
        )
        title.refresh_from_db()
        assert (title.texts.get().name, title.release_date) == ("Old", None)
        asked = {"fields": review.fields, "parts": review.parts}
        assert ("Texts: en, name", "[Old-]{New+}") in said(versions.difference(review.before, asked))
        reviews.approve(review_id=review.pk, by=BORIS, now=LATER)
        title.refresh_from_db()
        assert (title.texts.get().name, title.release_date, title.state) == ("New", date(2020, 1, 2), "published")
        assert title.credits.get().person == person
        assert title.edited == ["credits", "release_date", "release_precision", "texts"]

    def test_is_not_approved_by_whoever_asks(self) -> None:
        title = TitleFactory.create(**DRAFT)
        review = reviews.request(title_id=title.pk, by=ANNA, now=NOW)
        with pytest.raises(reviews.OwnReview):
            reviews.approve(review_id=review.pk, by=ANNA, now=LATER)
        title.refresh_from_db()
        review.refresh_from_db()
        assert (title.state, review.state) == ("draft", "in_progress")

    def test_is_open_once_for_a_title(self) -> None:
        title = TitleFactory.create(**DRAFT)
        first = reviews.request(title_id=title.pk, by=ANNA, now=NOW)
        with pytest.raises(reviews.ReviewOpen):
            reviews.request(title_id=title.pk, by=BORIS, now=NOW)
        # One's own is replaced.
        second = reviews.request(title_id=title.pk, by=ANNA, now=LATER, note="Now really")
        first.refresh_from_db()
        assert (first.state, second.state, Review.objects.count()) == ("cancelled", "in_progress", 2)

    def test_is_outdated_when_what_it_changes_was_changed(self) -> None:
        title = TitleFactory.create(name="Old")
        review = reviews.request(title_id=title.pk, by=ANNA, now=NOW, parts={"texts": [text("Anna's")]})
        edit(title, by=BORIS, texts=[text("Boris's")])
        with pytest.raises(reviews.ReviewOutdated):
            reviews.approve(review_id=review.pk, by=BORIS, now=LATER)
        assert title.texts.get().name == "Boris's"

    def test_survives_a_change_of_something_else(self) -> None:
        title = TitleFactory.create(name="Old")
        review = reviews.request(title_id=title.pk, by=ANNA, now=NOW, parts={"texts": [text("Anna's")]})
        edit(title, by=BORIS, fields={"runtime_seconds": 9})
        reviews.approve(review_id=review.pk, by=BORIS, now=LATER)
        title.refresh_from_db()
        assert (title.texts.get().name, title.runtime_seconds) == ("Anna's", 9)

    def test_of_nothing_is_refused(self) -> None:
        with pytest.raises(reviews.NothingToReview):
            reviews.request(title_id=TitleFactory.create().pk, by=ANNA, now=NOW)
        assert Review.objects.count() == 0

    @pytest.mark.parametrize("decide", [reviews.ask_for_changes, reviews.cancel])
    def test_ends_without_effect_otherwise_and_is_decided_once(self, decide: Any) -> None:
        title = TitleFactory.create(**DRAFT)
        review = reviews.request(title_id=title.pk, by=ANNA, now=NOW)
        decide(review_id=review.pk, by=BORIS, now=LATER, comment="Synopsis is missing")
        title.refresh_from_db()
        assert title.state == "draft"
        with pytest.raises(reviews.ReviewDecided):
            reviews.approve(review_id=review.pk, by=BORIS, now=LATER)
        reviews.request(title_id=title.pk, by=BORIS, now=LATER)

    def test_leaves_all_as_it_was_when_the_title_cannot_be_published(self) -> None:
        title = TitleFactory.create(**DRAFT)
        review = reviews.request(title_id=title.pk, by=ANNA, now=NOW, parts={"texts": []})
        with pytest.raises(publication.NameMissing):
            reviews.approve(review_id=review.pk, by=BORIS, now=LATER)
        title.refresh_from_db()
        review.refresh_from_db()
        assert (title.texts.count(), title.revision, review.state) == (1, 1, "in_progress")


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_do_not_both_approve(self) -> None:
        title = TitleFactory.create(**DRAFT)
        review = reviews.request(title_id=title.pk, by=ANNA, now=NOW)
        outcomes: list[str] = []

        def approve() -> None:
            try:
                reviews.approve(review_id=review.pk, by=BORIS, now=LATER)
                outcomes.append("approved")
            except reviews.ReviewDecided:
                outcomes.append("refused")
            finally:
                connection.close()

        both = [threading.Thread(target=approve) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert sorted(outcomes) == ["approved", "refused"]
        assert PublicationEntry.objects.count() == 1

    def test_do_not_both_carry_out_a_plan(self) -> None:
        title = TitleFactory.create(**DRAFT)
        scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=ANNA, now=NOW)
        done: list[int] = []

        def carry_out() -> None:
            done.append(scheduling.carry_out_due(now=LATER))
            connection.close()

        with transaction.atomic():
            # Another worker has the plan in its hands.
            ScheduledAct.objects.select_for_update().get()
            one = threading.Thread(target=carry_out)
            one.start()
            one.join()
        assert done == [0]
        carry_out()
        assert done == [0, 1]
        assert PublicationEntry.objects.count() == 1


class TestPlan:
    def test_publishes_and_withdraws_at_its_instant_and_not_before(self) -> None:
        title = TitleFactory.create(**DRAFT)
        end = LATER + timedelta(days=1)
        scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=ANNA, now=NOW, reason="Premiere")
        scheduling.plan(title_id=title.pk, action="withdraw", at=end, by=ANNA, now=NOW)
        assert scheduling.carry_out_due(now=LATER - timedelta(microseconds=1)) == 0
        title.refresh_from_db()
        assert title.state == "draft"
        assert scheduling.carry_out_due(now=LATER) == 1
        title.refresh_from_db()
        assert (title.state, title.published_at) == ("published", LATER)
        assert (PublicationEntry.objects.get().by, PublicationEntry.objects.get().reason) == (ANNA, "Premiere")
        assert scheduling.carry_out_due(now=end) == 1
        title.refresh_from_db()
        assert (title.state, title.withdrawn_at) == ("withdrawn", end)
        assert scheduling.carry_out_due(now=end) == 0

    def test_missed_while_nothing_ran_is_carried_out_in_order(self) -> None:
        title = TitleFactory.create(**DRAFT)
        scheduling.plan(title_id=title.pk, action="withdraw", at=LATER + timedelta(days=1), by=ANNA, now=NOW)
        scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=ANNA, now=NOW)
        assert scheduling.carry_out_due(now=LATER + timedelta(days=9)) == 2
        actions = list(PublicationEntry.objects.order_by("pk").values_list("action", flat=True))
        assert actions == ["published", "withdrawn"]

    def test_that_cannot_be_carried_out_says_why_and_stops_no_other(self) -> None:
        public, draft = TitleFactory.create(), TitleFactory.create(**DRAFT)
        for title in (public, draft):
            scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=ANNA, now=NOW)
        assert scheduling.carry_out_due(now=LATER) == 1
        refused = ScheduledAct.objects.get(title=public)
        assert (refused.state, refused.outcome, refused.settled_at) == (
            "refused", f"{public} is public already.", LATER,
        )  # fmt: skip

    def test_that_goes_wrong_stops_no_other_says_so_and_is_tried_again(self) -> None:
        odd, draft = TitleFactory.create(**DRAFT), TitleFactory.create(**DRAFT)
        for title in (odd, draft):
            scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=ANNA, now=NOW)
        with broken(odd):
            assert scheduling.carry_out_due(now=LATER) == 1
        odd.refresh_from_db()
        draft.refresh_from_db()
        act = ScheduledAct.objects.get(title=odd)
        minute = timedelta(minutes=1)
        assert (odd.state, odd.revision, draft.state) == ("draft", 1, "published")
        assert (act.state, act.attempts, act.retry_at, act.settled_at) == ("pending", 1, LATER + minute, None)
        assert act.outcome.startswith("Something went wrong, and the log says what.")
        assert scheduling.carry_out_due(now=LATER + minute / 2) == 0
        assert scheduling.carry_out_due(now=LATER + minute) == 1
        odd.refresh_from_db()
        act.refresh_from_db()
        assert (odd.state, odd.published_at, act.state, act.outcome) == ("published", LATER + minute, "done", "")

    def test_that_goes_wrong_again_and_again_waits_longer_each_time_but_an_hour_at_most(self) -> None:
        title = TitleFactory.create(**DRAFT)
        act = scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=ANNA, now=NOW)
        now, waits = LATER, []
        with broken(title):
            for _ in range(8):
                assert scheduling.carry_out_due(now=now) == 0
                act.refresh_from_db()
                assert act.retry_at is not None
                waits.append((act.retry_at - now) / timedelta(minutes=1))
                now = act.retry_at
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
        ScheduledAct.objects.update(attempts=30_000)
        with broken(title):
            scheduling.carry_out_due(now=now)
        scheduling.call_off(act_id=act.pk, by=BORIS, now=now)
        assert scheduling.carry_out_due(now=now + timedelta(days=1)) == 0

    def test_of_an_act_that_this_release_does_not_know_stops_no_other(self) -> None:
        """Another release has planned it, while one is replaced by the other."""
        odd, draft = TitleFactory.create(**DRAFT), TitleFactory.create(**DRAFT)
        for title in (odd, draft):
            scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=ANNA, now=NOW)
        ScheduledAct.objects.filter(title=odd).update(action="archive")
        assert scheduling.carry_out_due(now=LATER) == 1
        assert ScheduledAct.objects.get(title=odd).state == "pending"

    @pytest.mark.parametrize("before", [DRAFT, {"state": "withdrawn", "withdrawn_at": NOW}])
    def test_that_goes_wrong_is_overtaken_by_what_was_planned_for_later(self, before: dict[str, Any]) -> None:
        """Also where the later act has nothing left to do."""
        title = TitleFactory.create(**before)
        end = LATER + timedelta(seconds=30)
        scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=ANNA, now=NOW)
        scheduling.plan(title_id=title.pk, action="withdraw", at=end, by=ANNA, now=NOW)
        with broken(title):
            scheduling.carry_out_due(now=LATER)
        scheduling.carry_out_due(now=end)
        assert scheduling.carry_out_due(now=end + timedelta(days=1)) == 0
        title.refresh_from_db()
        publish = ScheduledAct.objects.get(action="publish")
        assert (title.state, title.withdrawn_at) == ("withdrawn", end if before is DRAFT else NOW)
        assert (publish.state, publish.outcome) == (
            "refused", scheduling.OVERTAKEN,
        )  # fmt: skip

    def test_is_made_once_for_an_act_and_for_what_is_to_come(self) -> None:
        title = TitleFactory.create(**DRAFT)
        act = scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=ANNA, now=NOW)
        with pytest.raises(scheduling.AlreadyScheduled):
            scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=BORIS, now=NOW)
        with pytest.raises(scheduling.InThePast):
            scheduling.plan(title_id=title.pk, action="withdraw", at=NOW, by=BORIS, now=NOW)
        assert list(ScheduledAct.objects.values_list("pk", flat=True)) == [act.pk]

    def test_can_be_called_off_once(self) -> None:
        title = TitleFactory.create(**DRAFT)
        act = scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=ANNA, now=NOW)
        scheduling.call_off(act_id=act.pk, by=BORIS, now=NOW)
        with pytest.raises(scheduling.NotPlanned):
            scheduling.call_off(act_id=act.pk, by=BORIS, now=NOW)
        assert scheduling.carry_out_due(now=LATER) == 0
        title.refresh_from_db()
        assert title.state == "draft"

    def test_is_carried_out_by_the_schedule(self) -> None:
        title = TitleFactory.create(**DRAFT)
        scheduling.plan(title_id=title.pk, action="publish", at=LATER, by=ANNA, now=NOW)
        carry_out_plans()
        title.refresh_from_db()
        assert title.state == "published"


@pytest.mark.django_db(transaction=True)
class TestChangeBesidePublishing:
    """An author saves a draft at the moment in which somebody else publishes it."""

    def beside(self, title: Title, act: Callable[[], Review | None]) -> Review | None:
        """Act while a transaction that publishes is open; answer what came of it once that has committed."""
        done: list[Review | None] = []

        def other() -> None:
            try:
                done.append(act())
            finally:
                connection.close()

        thread = threading.Thread(target=other)
        with transaction.atomic():
            publication.publish(title_id=title.pk, by="user:1", now=NOW)
            thread.start()
            thread.join(0.3)
            assert done == [], "it has not waited"
        thread.join()
        return done[0]

    def test_becomes_a_review(self) -> None:
        title = TitleFactory.create(state="draft", published_at=None)
        review = self.beside(
            title,
            lambda: reviews.change(
                title_id=title.pk, fields={"runtime_seconds": 60}, parts={}, by="user:2", now=NOW, may_publish=False
            ),
        )
        assert review is not None
        title.refresh_from_db()
        assert (title.state, title.runtime_seconds, review.fields) == ("published", None, {"runtime_seconds": 60})

    def test_that_goes_back_becomes_a_review(self) -> None:
        title = TitleFactory.create(state="draft", published_at=None)
        editing.edit(title_id=title.pk, fields={"runtime_seconds": 60}, parts={}, by="user:2", now=NOW)
        review = self.beside(
            title, lambda: reviews.revert(title_id=title.pk, number=1, by="user:2", now=NOW, may_publish=False)
        )
        assert review is not None
        title.refresh_from_db()
        assert (title.state, title.runtime_seconds, review.fields) == ("published", 60, {"runtime_seconds": None})
