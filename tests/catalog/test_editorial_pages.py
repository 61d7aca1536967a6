"""The pages of an editor's work: history, review, plan, lock."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from accounts.services.staff import sync_groups
from catalog.models import EditLock, Review, ScheduledAct, Title
from catalog.services import editing, locks, reviews
from tests.catalog.test_admin import form_of
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.catalog import NOW, TitleFactory

pytestmark = pytest.mark.django_db

DRAFT: dict[str, Any] = {"state": "draft", "published_at": None}


def client_of(email: str, group: str) -> tuple[Client, str]:
    """Answer the browser of a new member of staff, and how services know them."""
    sync_groups()
    account = AccountFactory.create(email=email, is_staff=True)
    account.groups.add(Group.objects.get(name=group))
    client = Client()
    client.cookies["sessionid"] = sign_in(account)
    return client, f"user:{account.pk}"


@pytest.fixture
def publisher() -> tuple[Client, str]:
    return client_of("publisher@example.org", "content")


@pytest.fixture
def author() -> tuple[Client, str]:
    return client_of("author@example.org", "author")


def page(name: str, title: Title) -> str:
    return reverse(f"admin:catalog_title_{name}", args=[title.pk])


def change_of(title: Title) -> str:
    return reverse("admin:catalog_title_change", args=[title.pk])


def messages_of(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


class TestHistory:
    def test_shows_each_version_with_its_changes_and_goes_back(self, publisher: tuple[Client, str]) -> None:
        client, by = publisher
        title = TitleFactory.create(name="Nosferatu")
        texts = [{"language": "en", "name": "Nosferatu", "synopsis_short": "A long <b>night</b>"}]
        editing.edit(title_id=title.pk, fields={}, parts={"texts": texts}, by=by, now=NOW)
        shown = client.get(page("history_one", title)).content.decode()
        assert escape("A long <b>night</b>") in shown
        assert "publisher@example.org" in shown
        assert "as it was before" in shown
        answer = client.post(reverse("admin:catalog_title_revert", args=[title.pk, 1]), follow=True)
        assert messages_of(answer) == ["It is again what it was at revision 1; that is a revision too."]
        assert title.texts.get().synopsis_short == ""

    def test_going_back_is_asked_by_post_alone(self, publisher: tuple[Client, str]) -> None:
        client, by = publisher
        title = TitleFactory.create()
        editing.edit(title_id=title.pk, fields={"runtime_seconds": 5}, parts={}, by=by, now=NOW)
        assert client.get(reverse("admin:catalog_title_revert", args=[title.pk, 1])).status_code == 404
        title.refresh_from_db()
        assert title.runtime_seconds == 5


class TestAuthor:
    def test_cannot_publish_but_asks_and_is_approved(
        self, author: tuple[Client, str], publisher: tuple[Client, str]
    ) -> None:
        client, _ = author
        title = TitleFactory.create(**DRAFT)
        assert client.get(page("publish_one", title)).status_code == 403
        assert client.get(page("plan_one", title)).status_code == 403
        answer = client.post(page("review_one", title), {"note": "Ready for Friday"}, follow=True)
        assert messages_of(answer)[0] == "Asked: somebody else may now approve it."
        review = Review.objects.get()
        address = reverse("admin:catalog_review_change", args=[review.pk])
        assert client.post(address, {"choice": "approve"}).status_code == 403
        shown = publisher[0].get(address).content.decode()
        assert "Ready for Friday" in shown
        assert "author@example.org" in shown
        publisher[0].post(address, {"choice": "approve", "comment": "Fine"})
        title.refresh_from_db()
        review.refresh_from_db()
        assert (title.state, review.state, review.comment) == ("published", "approved", "Fine")

    def test_changes_what_is_public_by_asking(self, author: tuple[Client, str], publisher: tuple[Client, str]) -> None:
        client, by = author
        title = TitleFactory.create(name="Old")
        data = form_of(client.get(change_of(title))) | {"texts-0-name": "New", "runtime_seconds": "60"}
        answer = client.post(change_of(title), data, follow=True)
        assert any("waits for the review" in message for message in messages_of(answer))
        title.refresh_from_db()
        assert (title.texts.get().name, title.revision, title.runtime_seconds) == ("Old", 1, None)
        review = Review.objects.get()
        assert review.requested_by == by
        address = reverse("admin:catalog_review_change", args=[review.pk])
        assert "Runtime seconds" in publisher[0].get(address).content.decode()
        publisher[0].post(address, {"choice": "approve"})
        title.refresh_from_db()
        assert (title.texts.get().name, title.runtime_seconds) == ("New", 60)

    def test_goes_back_to_a_version_of_what_is_public_by_asking(
        self, author: tuple[Client, str], publisher: tuple[Client, str]
    ) -> None:
        title = TitleFactory.create(name="Old")
        texts = [{"language": "en", "name": "New"}]
        editing.edit(title_id=title.pk, fields={"runtime_seconds": 5}, parts={"texts": texts}, by="user:1", now=NOW)
        answer = author[0].post(reverse("admin:catalog_title_revert", args=[title.pk, 1]), follow=True)
        assert messages_of(answer)[0].startswith("The title is public: this waits for a review.")
        title.refresh_from_db()
        assert (title.texts.get().name, title.runtime_seconds, title.revision) == ("New", 5, 2)
        review = Review.objects.get()
        assert (review.requested_by, review.note) == (author[1], "Back to revision 1")
        address = reverse("admin:catalog_review_change", args=[review.pk])
        publisher[0].post(address, {"choice": "approve"})
        title.refresh_from_db()
        assert (title.texts.get().name, title.runtime_seconds) == ("Old", None)

    def test_edits_a_draft_directly(self, author: tuple[Client, str]) -> None:
        client, _ = author
        title = TitleFactory.create(name="Old", **DRAFT)
        data = form_of(client.get(change_of(title))) | {"texts-0-name": "New"}
        assert client.post(change_of(title), data).status_code == 302
        assert title.texts.get().name == "New"
        assert Review.objects.count() == 0

    def test_takes_back_what_was_asked(self, author: tuple[Client, str]) -> None:
        client, by = author
        review = reviews.request(title_id=TitleFactory.create(**DRAFT).pk, by=by, now=NOW)
        client.post(reverse("admin:catalog_review_change", args=[review.pk]), {"choice": "cancel"})
        review.refresh_from_db()
        assert (review.state, review.decided_by) == ("cancelled", by)


class TestReview:
    def test_of_what_belongs_elsewhere_now_says_so_and_stays_open(self, publisher: tuple[Client, str]) -> None:
        title, other = TitleFactory.create(name="One"), TitleFactory.create(name="Other")
        ids = [{"namespace": "imdb", "value": "tt0013442"}]
        review = reviews.request(title_id=title.pk, parts={"external_ids": ids}, by="user:1", now=NOW)
        editing.edit(title_id=other.pk, fields={}, parts={"external_ids": ids}, by="user:2", now=NOW)
        address = reverse("admin:catalog_review_change", args=[review.pk])
        answer = publisher[0].post(address, {"choice": "approve"}, follow=True)
        assert "belongs elsewhere now" in messages_of(answer)[0]
        review.refresh_from_db()
        assert (review.state, title.external_ids.count(), other.external_ids.count()) == ("in_progress", 0, 1)


class TestReviewList:
    def test_shows_what_waits(self, publisher: tuple[Client, str], django_assert_max_num_queries: Any) -> None:
        client, _ = publisher
        for number in range(6):
            title = TitleFactory.create(name=f"Film {number}", **DRAFT)
            by = f"user:{AccountFactory.create(email=f'asker{number}@example.org').pk}"
            reviews.request(title_id=title.pk, by=by, now=NOW)
        with django_assert_max_num_queries(12):
            shown = client.get(reverse("admin:catalog_review_changelist")).content.decode()
        assert all(f"Film {number}" in shown and f"asker{number}@example.org" in shown for number in range(6))


class TestPlan:
    def test_is_made_shown_and_called_off(self, publisher: tuple[Client, str]) -> None:
        client, _ = publisher
        title = TitleFactory.create(**DRAFT)
        data = {"action": "publish", "at_0": "2099-01-02", "at_1": "03:04", "reason": "Premiere"}
        answer = client.post(page("plan_one", title), data, follow=True)
        assert messages_of(answer) == ["Planned for 2099-01-02 03:04 UTC: Publish."]
        act = ScheduledAct.objects.get()
        assert "Premiere" in client.get(page("plan_one", title)).content.decode()
        client.post(page("plan_one", title), {"call_off": act.pk})
        act.refresh_from_db()
        assert act.state == "cancelled"

    def test_in_the_past_is_refused(self, publisher: tuple[Client, str]) -> None:
        client, _ = publisher
        title = TitleFactory.create(**DRAFT)
        data = {"action": "publish", "at_0": "2020-01-02", "at_1": "03:04"}
        answer = client.post(page("plan_one", title), data)
        assert "This instant has passed: choose a later one, or do it now." in answer.content.decode()
        assert ScheduledAct.objects.count() == 0


class TestLock:
    def test_warns_and_keeps_others_out(self, author: tuple[Client, str], publisher: tuple[Client, str]) -> None:
        title = TitleFactory.create(name="Old", **DRAFT)
        author[0].post(page("lock_one", title), {"reason": "Mine today"})
        shown = publisher[0].get(change_of(title))
        assert any("author@example.org has kept this title" in message for message in messages_of(shown))
        data = form_of(shown) | {"texts-0-name": "New"}
        answer = publisher[0].post(change_of(title), data)
        assert "Ask them to release it" in answer.content.decode()
        assert title.texts.get().name == "Old"
        # Whoever may publish may break it.
        publisher[0].post(page("release_one", title))
        assert EditLock.objects.count() == 0

    def test_is_not_broken_by_an_author(self, author: tuple[Client, str]) -> None:
        title = TitleFactory.create(**DRAFT)
        locks.lock(title_id=title.pk, by="user:other", now=NOW)
        author[0].post(page("release_one", title))
        assert EditLock.objects.count() == 1


class TestLicences:
    """An author may not change them: an edit cannot, nor can going back."""

    def licensed(self, **state: Any) -> tuple[Title, int]:
        """Answer a title whose licence was narrowed, and the revision before that."""
        title = TitleFactory.create(window={"territories": ["DE", "AT"]}, **state)
        windows = [{"license_type": "SVOD", "territories": ["DE"]}]
        editing.edit(
            title_id=title.pk, fields={"runtime_seconds": 60}, parts={"windows": windows}, by="user:7", now=NOW
        )
        return title, 1

    def test_are_not_restored_by_an_author_who_goes_back(self, author: tuple[Client, str]) -> None:
        title, before = self.licensed(**DRAFT)
        answer = author[0].post(reverse("admin:catalog_title_revert", args=[title.pk, before]), follow=True)
        assert messages_of(answer) == [
            "It is again what it was at revision 1; that is a revision too. What you may not change stays as it is: licences."
        ]
        title.refresh_from_db()
        assert (title.runtime_seconds, title.windows.get().territories) == (None, ["DE"])

    def test_are_no_part_of_what_an_author_asks_for(self, author: tuple[Client, str]) -> None:
        title, before = self.licensed()
        author[0].post(reverse("admin:catalog_title_revert", args=[title.pk, before]))
        review = Review.objects.get()
        assert ([*review.fields], [*review.parts]) == (["runtime_seconds"], [])

    def test_are_restored_by_the_team(self, publisher: tuple[Client, str]) -> None:
        title, before = self.licensed()
        answer = publisher[0].post(reverse("admin:catalog_title_revert", args=[title.pk, before]), follow=True)
        assert messages_of(answer) == ["It is again what it was at revision 1; that is a revision too."]
        assert title.windows.get().territories == ["DE", "AT"]


class TestTwoEditors:
    def test_are_told_and_keep_what_they_typed(self, publisher: tuple[Client, str]) -> None:
        client, _ = publisher
        title = TitleFactory.create(name="Old")
        data = form_of(client.get(change_of(title))) | {"texts-0-name": "Typed"}
        editing.edit(title_id=title.pk, fields={"runtime_seconds": 5}, parts={}, by="user:other", now=NOW)
        answer = client.post(change_of(title), data)
        assert "Somebody else has changed the title meanwhile" in answer.content.decode()
        assert 'value="Typed"' in answer.content.decode()
        title.refresh_from_db()
        assert (title.texts.get().name, title.revision) == ("Old", 2)


class TestRefusedForms:
    def test_come_back_with_what_was_typed_and_the_reason(
        self, author: tuple[Client, str], publisher: tuple[Client, str]
    ) -> None:
        title = TitleFactory.create(name="Old", **DRAFT)
        locks.lock(title_id=title.pk, by=publisher[1], now=NOW, reason="Dubbing")
        data = form_of(author[0].get(change_of(title))) | {"texts-0-name": "New", "runtime_seconds": "77"}
        answer = author[0].post(change_of(title), data)
        shown = answer.content.decode()
        assert answer.status_code == 200
        assert "publisher@example.org has kept this title since" in shown
        assert 'value="77"' in shown
        assert 'value="New"' in shown
        title.refresh_from_db()
        assert (title.runtime_seconds, title.texts.get().name) == (None, "Old")

    def test_of_a_plan_in_the_past_keep_their_reason(self, publisher: tuple[Client, str]) -> None:
        title = TitleFactory.create()
        asked = {"action": "withdraw", "at_0": "2020-01-01", "at_1": "10:00", "reason": "Festival ends"}
        shown = publisher[0].post(page("plan_one", title), asked).content.decode()
        assert "This instant has passed" in shown
        assert "Festival ends" in shown
        assert not ScheduledAct.objects.exists()


class TestWhatATitlesPageOffers:
    def test_is_publishing_what_is_no_longer_public_and_withdrawing_what_is(
        self, publisher: tuple[Client, str]
    ) -> None:
        public, draft = TitleFactory.create(), TitleFactory.create(**DRAFT)
        for title, offered, refused in (
            (public, "withdraw_one", "publish_one"),
            (draft, "publish_one", "withdraw_one"),
        ):
            shown = publisher[0].get(change_of(title)).content.decode()
            assert page(offered, title) in shown
            assert page(refused, title) not in shown

    def test_answers_who_was_too_late_with_what_the_title_is(self, publisher: tuple[Client, str]) -> None:
        public, draft = TitleFactory.create(), TitleFactory.create(**DRAFT)
        for title, asked, said in (
            (public, "publish_one", "This title is public already."),
            (draft, "withdraw_one", "This title is not public."),
        ):
            answer = publisher[0].get(page(asked, title), follow=True)
            assert (answer.redirect_chain, messages_of(answer)) == ([(change_of(title), 302)], [said])

    def test_tells_of_an_open_review(self, author: tuple[Client, str], publisher: tuple[Client, str]) -> None:
        title = TitleFactory.create(name="Old")
        data = form_of(author[0].get(change_of(title))) | {"texts-0-name": "New"}
        told = messages_of(author[0].post(change_of(title), data, follow=True))
        assert told[0] == "The title is public: your change waits for the review of somebody who may publish."
        assert not any("successfully" in message for message in told)
        shown = publisher[0].get(change_of(title)).content.decode()
        assert "What author@example.org asked for waits for a review" in shown
        assert reverse("admin:catalog_review_change", args=[Review.objects.get().pk]) in shown


class TestLanguages:
    @pytest.mark.parametrize("tag", ["deutsch", "de_DE", "d"])
    def test_that_are_no_tags_are_refused(self, publisher: tuple[Client, str], tag: str) -> None:
        title = TitleFactory.create()
        data = form_of(publisher[0].get(change_of(title))) | {"texts-0-language": tag}
        assert "is no language tag of BCP 47" in publisher[0].post(change_of(title), data).content.decode()
        assert title.texts.get().language == "en"

    def test_of_a_licence_may_mean_its_sound_or_its_subtitles_alone(self, publisher: tuple[Client, str]) -> None:
        title = TitleFactory.create()
        data = form_of(publisher[0].get(change_of(title)))
        wrong = publisher[0].post(change_of(title), data | {"windows-0-languages": "de:dub"})
        assert "is no language tag of BCP 47" in wrong.content.decode()
        publisher[0].post(change_of(title), data | {"windows-0-languages": "de:audio, en"})
        assert title.windows.get().languages == ["de:audio", "en"]
        assert "in de (audio), en" in publisher[0].get(change_of(title)).content.decode()


class TestTextOfSeveralLines:
    def test_is_not_the_editors_when_they_change_something_else(self, publisher: tuple[Client, str]) -> None:
        client, _ = publisher
        title = TitleFactory.create()
        title.texts.update(synopsis_long="One.\n\nTwo.")
        # As browsers send it.
        data = {
            name: value.replace("\n", "\r\n") if isinstance(value, str) else value
            for name, value in form_of(client.get(change_of(title))).items()
        }
        answer = client.post(change_of(title), data | {"runtime_seconds": "60"})
        assert answer.status_code == 302
        title.refresh_from_db()
        assert (title.edited, title.runtime_seconds) == (["runtime_seconds"], 60)
        assert title.texts.get().synopsis_long == "One.\n\nTwo."
