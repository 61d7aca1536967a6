"""Collections and the rows that place them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, ClassVar

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.maturity import Audience
from catalog.membership import RuleInvalid, read_rule
from catalog.models import Collection, CollectionTitle, EditorialRow, Genre, Keyword, Title, TitleGenre, TitleKeyword
from catalog.rules import Viewer
from catalog.selectors import collections as selectors
from catalog.selectors import titles
from catalog.services import collections, search
from core.ids import new_id
from tests.catalog.test_admin import form_of, staff
from tests.factories.accounts import AccountFactory, ProfileFactory, sign_in
from tests.factories.catalog import NOW, ProviderFactory, RatingFactory, TitleFactory, feed, ingest, movie

pytestmark = pytest.mark.django_db

__all__ = ["staff"]
GERMANY = Viewer("DE", ("de",))


def collection(slug: str = "night-trains", titles: Any = None, rows: Any = None, **fields: Any) -> Collection:
    """Make a collection that stands in one row, for everybody."""
    return collections.save(
        collection_id=new_id(),
        fields={"slug": slug, "names": {"en": slug}, **fields},
        title_ids=[title.pk for title in titles or []],
        rows=[{}] if rows is None else rows,
        now=NOW,
    )


def shown(viewer: Viewer = GERMANY, *, is_kids: bool = False, now: Any = NOW) -> dict[str, list[str]]:
    return {
        row.collection.slug: [title.texts.all()[0].name for title in row.titles]
        for row in selectors.rows_for(viewer, now, is_kids=is_kids)
    }


def film(name: str, *, genre: str = "", keyword: str = "", **fields: Any) -> Title:
    title = TitleFactory.create(name=name, **fields)
    if genre:
        known, _ = Genre.objects.get_or_create(slug=genre, defaults={"name": genre.title()})
        TitleGenre.objects.create(title=title, genre=known, position=0)
    if keyword:
        TitleKeyword.objects.create(title=title, keyword=Keyword.objects.get_or_create(name=keyword)[0])
    return title


class TestRows:
    def test_show_named_titles_in_the_editors_order(self) -> None:
        b, a, c = film("B"), film("A"), film("C")
        collection(titles=[c, a, b])
        assert shown() == {"night-trains": ["C", "A", "B"]}

    def test_show_what_the_viewer_may_watch_and_nothing_else(self) -> None:
        here, elsewhere = film("Here"), film("Elsewhere", window={"territories": ["FR"]})
        draft = film("Draft", state="draft", published_at=None)
        grim = film("Grim")
        RatingFactory.create(title=grim, country="DE", system="FSK", value="18", minimum_age=18)
        collection(titles=[elsewhere, draft, grim, here])
        assert shown() == {"night-trains": ["Grim", "Here"]}
        assert shown(Viewer("DE", ("de",), Audience(12, True))) == {"night-trains": ["Here"]}

    def test_without_a_title_for_the_viewer_are_left_out(self) -> None:
        collection(titles=[film("Elsewhere", window={"territories": ["FR"]})])
        collection("empty")
        assert shown() == {}

    def test_stand_in_their_order(self) -> None:
        title = film("A")
        for slug, position in (("last", 30), ("first", 10), ("middle", 20)):
            collection(slug, [title], [{"position": position}])
        assert list(shown()) == ["first", "middle", "last"]

    def test_are_shown_once_where_they_come_first(self) -> None:
        title = film("A")
        collection("twice", [title], [{"position": 30}, {"position": 10}])
        collection("other", [title], [{"position": 20}])
        assert list(shown()) == ["twice", "other"]

    @pytest.mark.parametrize(
        ("row", "is_shown"),
        [
            ({"countries": ["DE", "AT"]}, True),
            ({"countries": ["FR"]}, False),
            ({"countries": ["FR"], "excluded": True}, True),
            ({"countries": ["DE"], "excluded": True}, False),
            ({"starts_at": NOW}, True),
            ({"starts_at": NOW + timedelta(microseconds=1)}, False),
            ({"ends_at": NOW}, False),
            ({"ends_at": NOW + timedelta(microseconds=1)}, True),
            ({"audience": "kids"}, False),
            ({"audience": "adults"}, True),
        ],
    )
    def test_stand_where_when_and_for_whom_they_say(self, row: dict[str, Any], is_shown: bool) -> None:
        collection(titles=[film("A")], rows=[row])
        assert bool(shown()) is is_shown

    def test_for_kids_are_for_kids_profiles(self) -> None:
        title = film("A")
        collection("kids", [title], [{"audience": "kids"}])
        collection("adults", [title], [{"audience": "adults"}])
        assert list(shown(is_kids=True)) == ["kids"]
        assert list(shown(is_kids=False)) == ["adults"]

    def test_cost_the_same_queries_however_many_they_are(self, django_assert_num_queries: Any) -> None:
        film("A", genre="drama", keyword="trains")
        collection("r0", kind="rule", rule={"genres": ["drama"]})
        # The rows; which genres are meant; how many titles they have; titles; all that hangs on them.
        with django_assert_num_queries(6):
            shown_once = selectors.rows_for(GERMANY, NOW, is_kids=False)
        for number in range(1, 6):
            collection(f"r{number}", kind="rule", rule={"genres": ["drama"], "keywords": ["trains"]})
        with django_assert_num_queries(6):
            assert len(selectors.rows_for(GERMANY, NOW, is_kids=False)) == 6
        assert len(shown_once) == 1


@pytest.mark.parametrize("few", [0, 2_500])
class TestRule:
    @pytest.fixture(autouse=True)
    def bounded(self, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
        """Let what hangs on titles be looked for in either way."""
        monkeypatch.setattr(titles, "FEW", few)

    def find(self, **rule: Any) -> list[str]:
        Collection.objects.all().delete()
        collection(kind="rule", rule=rule)
        return shown().get("night-trains", [])

    def test_finds_by_each_condition(self) -> None:
        film("Drama", genre="drama", keyword="trains", countries=["DE"], release_date=date(1927, 1, 10),
             release_precision="day", original_language="de")  # fmt: skip
        film("Comedy", genre="comedy", countries=["FR"], release_date=date(1958, 5, 10), release_precision="day",
             made_for_kids=True, original_language="fr")  # fmt: skip
        film("Show", kind="series")
        assert self.find(genres=["drama"]) == ["Drama"]
        assert self.find(genres=["drama", "comedy"]) == ["Comedy", "Drama"]
        assert self.find(genres=["drama", "comedy"], countries=["FR"]) == ["Comedy"]
        assert self.find(keywords=["trains"]) == ["Drama"]
        assert self.find(kinds=["series"]) == ["Show"]
        assert self.find(year_from=1958) == ["Comedy"]
        assert self.find(year_to=1927) == ["Drama"]
        assert self.find(made_for_kids=True) == ["Comedy"]
        assert self.find(original_languages=["de", "it"]) == ["Drama"]

    def test_by_a_genre_finds_what_is_of_those_below_it(self) -> None:
        for name in ("Drama", "Crime", "Heist", "Comedy"):
            film(name, genre=name.lower())
        for below, above in (("crime", "drama"), ("heist", "crime")):
            Genre.objects.filter(slug=below).update(parent=Genre.objects.get(slug=above))
        assert self.find(genres=["drama"]) == ["Heist", "Crime", "Drama"]
        assert self.find(genres=["crime", "comedy"]) == ["Comedy", "Heist", "Crime"]
        assert self.find(genres=["heist"]) == ["Heist"]
        assert self.find(genres=["opera"]) == []

    def test_finds_by_age_as_the_viewers_country_rates(self) -> None:
        mild, grim = film("Mild"), film("Grim")
        film("Unrated")
        RatingFactory.create(title=mild, country="DE", system="FSK", value="6", minimum_age=6)
        RatingFactory.create(title=grim, country="DE", system="FSK", value="16", minimum_age=16)
        assert self.find(highest_age=12) == ["Mild"]

    def test_finds_what_came_lately_and_what_leaves_soon(self) -> None:
        film("New", published_at=NOW - timedelta(days=2))
        film("Old", published_at=NOW - timedelta(days=9), window={"ends_at": NOW + timedelta(days=3)})
        assert self.find(added_within_days=7) == ["New"]
        assert self.find(leaves_within_days=7) == ["Old"]

    def test_finds_by_provider(self) -> None:
        for number, code in enumerate(("acme", "other"), 1):
            ingest(feed(movie(number, id=f"{code}-1", titles={"en": code.title()})), ProviderFactory.create(code=code))
        assert self.find(providers=["acme"]) == ["Acme"]

    def test_orders_what_it_finds(self) -> None:
        film("Older", release_date=date(1930, 1, 1), release_precision="day", genre="drama")
        film("Newer", release_date=date(1950, 1, 1), release_precision="day", genre="drama")
        film("Oldest", release_date=date(1910, 1, 1), release_precision="day", genre="drama")
        rule = {"kind": "rule", "rule": {"genres": ["drama"]}}
        collection("added", **rule, order="added")
        collection("released", **rule, order="released")
        assert shown() == {"added": ["Oldest", "Newer", "Older"], "released": ["Newer", "Older", "Oldest"]}

    def test_orders_by_popularity(self) -> None:
        quiet, loud = film("Quiet", genre="drama"), film("Loud", genre="drama")
        search.rebuild([quiet.pk, loud.pk])
        search.set_popularity(scores={loud.pk: 9.0})
        collection(kind="rule", rule={"genres": ["drama"]}, order="popular")
        assert shown() == {"night-trains": ["Loud", "Quiet"]}

    def test_follows_named_titles_without_saying_them_twice(self) -> None:
        first, named = film("First", genre="drama"), film("Named", genre="drama")
        film("Last", genre="drama")
        collection(titles=[named, first], kind="mixed", rule={"genres": ["drama"]}, most=3)
        assert shown() == {"night-trains": ["Named", "First", "Last"]}

    @pytest.mark.parametrize(
        ("rule", "said"),
        [
            ({"genre": ["drama"]}, "unknown field `genre`"),
            ({"genres": "drama"}, "Expected `array`"),
            ({"kinds": ["episode"]}, "not episode"),
            ({"countries": ["de"]}, "countries"),
            ({"year_from": 2000, "year_to": 1999}, "ends before it begins"),
            ([], ""),
        ],
    )
    def test_says_what_is_wrong_with_it(self, rule: Any, said: str) -> None:
        if rule == []:
            assert read_rule(rule) == read_rule({})
            return
        with pytest.raises(RuleInvalid, match=said):
            read_rule(rule)


class TestSave:
    def test_refuses_a_rule_that_cannot_be_read_and_keeps_what_was(self) -> None:
        made = collection(kind="rule", rule={"genres": ["drama"]})
        with pytest.raises(collections.CollectionInvalid, match="unknown field"):
            collections.save(collection_id=made.pk, fields={"rule": {"taste": 1}}, title_ids=[], rows=[], now=NOW)
        made.refresh_from_db()
        assert (made.rule, EditorialRow.objects.count()) == ({"genres": ["drama"]}, 1)

    def test_refuses_a_title_twice_and_one_that_is_not(self) -> None:
        title = film("A")
        for wrong in ([title.pk, title.pk], [new_id()]):
            with pytest.raises(collections.CollectionInvalid):
                collections.save(
                    collection_id=new_id(), fields={"slug": "x", "names": {"en": "X"}}, title_ids=wrong, now=NOW
                )  # fmt: skip
        assert (Collection.objects.count(), CollectionTitle.objects.count()) == (0, 0)

    def test_of_a_manual_one_forgets_its_rule(self) -> None:
        made = collection(kind="rule", rule={"genres": ["drama"]})
        collections.save(collection_id=made.pk, fields={"kind": "manual"}, now=NOW)
        made.refresh_from_db()
        assert (made.kind, made.rule) == ("manual", {})

    def test_is_held_by_the_database_too(self) -> None:
        made = collection()
        with transaction.atomic(), pytest.raises(IntegrityError, match="collection_rule_by_kind"):
            Collection.objects.filter(pk=made.pk).update(kind="rule")


class TestApi:
    @pytest.fixture
    def viewer(self, client: Client) -> Client:
        account = AccountFactory.create()
        client.cookies["sessionid"] = sign_in(account, profile=ProfileFactory.create(account=account))
        return client

    def test_answers_rows_in_the_viewers_language(self, viewer: Client) -> None:
        collection(titles=[film("A")], names={"en": "Night trains", "de": "Nachtzüge"})
        answer = viewer.get("/api/v1/rows", headers={"accept-language": "de"})
        [row] = answer.json()
        assert (row["slug"], row["name"], [card["name"] for card in row["titles"]]) == (
            "night-trains", "Nachtzüge", ["A"],
        )  # fmt: skip
        again = viewer.get("/api/v1/rows", headers={"accept-language": "de", "if-none-match": answer["ETag"]})
        assert again.status_code == 304

    def test_answers_all_of_a_collection(self, viewer: Client) -> None:
        collection(titles=[film(f"Film {number}") for number in range(25)])
        assert len(viewer.get("/api/v1/rows").json()[0]["titles"]) == selectors.CARDS == 20
        assert len(viewer.get("/api/v1/collections/night-trains").json()["titles"]) == 25

    def test_answers_the_same_for_what_is_not_and_what_is_not_for_this_viewer(self, viewer: Client) -> None:
        collection(titles=[film("Elsewhere", window={"territories": ["FR"]})])
        answers = [viewer.get(f"/api/v1/collections/{slug}") for slug in ("night-trains", "nothing")]
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
            (404, "collection_not_found")
        ] * 2


@pytest.mark.django_db(transaction=True)
class TestKeptRows:
    @pytest.fixture
    def viewer(self, client: Client) -> Client:
        account = AccountFactory.create()
        client.cookies["sessionid"] = sign_in(account, profile=ProfileFactory.create(account=account))
        return client

    def names(self, client: Client) -> list[str]:
        return [row["slug"] for row in client.get("/api/v1/rows").json()]

    def test_cost_no_query_the_second_time(self, viewer: Client, django_assert_num_queries: Any) -> None:
        collection(titles=[film("A")])
        assert self.names(viewer) == ["night-trains"]
        with django_assert_num_queries(0):
            assert self.names(viewer) == ["night-trains"]

    def test_follow_a_change_and_a_row_that_begins_and_ends_at_its_second(self, viewer: Client) -> None:
        title = film("A")
        made = collection(titles=[title])
        assert self.names(viewer) == ["night-trains"]
        collections.delete(collection_id=made.pk)
        assert self.names(viewer) == []
        with time_machine.travel(NOW, tick=False) as time:
            collection(
                "timed", [title], [{"starts_at": NOW + timedelta(seconds=5), "ends_at": NOW + timedelta(seconds=9)}]
            )
            assert self.names(viewer) == []
            time.move_to(NOW + timedelta(seconds=5))
            assert self.names(viewer) == ["timed"]
            time.move_to(NOW + timedelta(seconds=9))
            assert self.names(viewer) == []


class TestAdmin:
    def test_names_a_collection_in_the_readers_language(self, staff: Client) -> None:
        collection("sea", names={"fr": "La mer", "en": "By the sea", "de": "Am Meer"})
        collection("snow", names={"fr": "La neige"})
        page = reverse("admin:catalog_collection_changelist")
        shown = {}
        for language in ("en", "de"):
            staff.cookies["django_language"] = language
            text = staff.get(page).content.decode()
            shown[language] = [name for name in ("By the sea", "Am Meer", "La mer", "La neige") if name in text]
        assert shown == {"en": ["By the sea", "La neige"], "de": ["Am Meer", "La neige"]}

    def test_makes_a_collection_with_titles_and_a_row(self, staff: Client) -> None:
        one, two = film("One"), film("Two")
        address = reverse("admin:catalog_collection_add")
        data = form_of(staff.get(address)) | {
            "slug": "night-trains", "kind": "manual", "names": "en: Night trains\nde: Nachtzüge", "rule": "{}",
            "members-TOTAL_FORMS": "2", "members-0-title": two.pk, "members-0-position": "0",
            "members-1-title": one.pk, "members-1-position": "1",
            "rows-TOTAL_FORMS": "1", "rows-0-position": "5", "rows-0-audience": "everybody", "rows-0-countries": "DE,AT",
        }  # fmt: skip
        answer = staff.post(address, data)
        assert answer.status_code == 302, answer.context["errors"]
        assert shown() == {"night-trains": ["Two", "One"]}
        assert EditorialRow.objects.get().countries == ["DE", "AT"]
        assert Collection.objects.get().names == {"en": "Night trains", "de": "Nachtzüge"}

    def test_goes_on_with_the_collection_that_it_made(self, staff: Client) -> None:
        answer = self.send(staff, {"rule_year_from": "1950", "_continue": "1"})
        made = Collection.objects.get()
        assert answer["Location"] == reverse("admin:catalog_collection_change", args=[made.pk])
        assert LogEntry.objects.get().object_id == str(made.pk)

    def test_makes_a_rule_of_its_conditions_and_shows_it_as_it_was_made(self, staff: Client) -> None:
        film("A", genre="drama", keyword="trains")
        drama, trains = Genre.objects.get(), Keyword.objects.get()
        ProviderFactory.create(code="acme")
        rule = {
            "kinds": ["movie"], "genres": ["drama"], "keywords": ["trains"], "countries": ["FR", "BE"],
            "original_languages": ["fr", "pt-BR"], "providers": ["acme"], "year_from": 1950, "year_to": 1960,
            "highest_age": 0, "made_for_kids": False, "added_within_days": 14, "leaves_within_days": 30,
        }  # fmt: skip
        filled = {
            "rule_kinds": ["movie"], "rule_genres": [drama.pk], "rule_keywords": [trains.pk], "rule_countries": "fr, BE,FR",
            "rule_original_languages": "fr,pt-BR", "rule_providers": ["acme"], "rule_year_from": "1950",
            "rule_year_to": "1960", "rule_highest_age": "0", "rule_made_for_kids": "false",
            "rule_added_within_days": "14", "rule_leaves_within_days": "30",
        }  # fmt: skip
        assert self.send(staff, filled).status_code == 302
        made = Collection.objects.get()
        assert made.rule == rule
        page = reverse("admin:catalog_collection_change", args=[made.pk])
        form = staff.get(page).context["adminform"].form
        again = {name: form[name].value() for name in filled}
        assert again == filled | {
            "rule_countries": "FR,BE", "rule_year_from": 1950, "rule_year_to": 1960, "rule_highest_age": 0,
            "rule_added_within_days": 14, "rule_leaves_within_days": 30,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("filled", "field", "said"),
        [
            ({}, "__all__", "needs a condition"),
            ({"rule_year_from": "2000", "rule_year_to": "1999"}, "rule_year_to", "end before they begin"),
            ({"rule_countries": "QQ"}, "rule_countries", "QQ"),
            ({"rule_original_languages": "german!"}, "rule_original_languages", "no language tag"),
            ({"rule_highest_age": "19"}, "rule_highest_age", "18"),
            ({"rule_genres": ["999"]}, "rule_genres", "999"),
            ({"rule_added_within_days": "0"}, "rule_added_within_days", "1"),
        ],
    )
    def test_says_beside_the_condition_what_is_wrong_with_it(
        self, staff: Client, filled: dict[str, Any], field: str, said: str
    ) -> None:
        answer = self.send(staff, filled)
        errors = answer.context["adminform"].form.errors
        assert list(errors) == [field]
        assert said in str(errors[field])
        assert Collection.objects.count() == 0

    def test_means_by_a_genre_that_was_merged_the_one_that_answers_and_tells_of_one_that_is_gone(
        self, staff: Client
    ) -> None:
        drama = Genre.objects.create(slug="drama", name="Drama")
        Genre.objects.create(slug="dramas", name="Dramas", merged_into=drama)
        made = collection(kind="rule", rule={"genres": ["dramas", "opera"]})
        page = staff.get(reverse("admin:catalog_collection_change", args=[made.pk]))
        field = page.context["adminform"].form["rule_genres"]
        assert field.value() == [drama.pk]
        assert "also names opera, which is not there" in str(field.help_text)

    def send(self, staff: Client, filled: dict[str, Any]) -> Any:
        address = reverse("admin:catalog_collection_add")
        given = {"slug": "x", "kind": "rule", "names": "en: X"}
        return staff.post(address, form_of(staff.get(address)) | given | filled)


class TestWrongInput:
    """What the database would refuse is said in words, beside the field where it is mended."""

    SENT: ClassVar[dict[str, Any]] = {
        "slug": "sea", "kind": "manual", "names": "en: By the sea", "order": "added", "most": "100",
        "members-TOTAL_FORMS": 0, "members-INITIAL_FORMS": 0, "rows-TOTAL_FORMS": 1, "rows-INITIAL_FORMS": 0,
        "rows-0-position": 1, "rows-0-audience": "everybody",
    }  # fmt: skip

    @pytest.mark.parametrize(
        ("row", "field", "said"),
        [
            (
                {"starts_at_0": "2027-01-02", "starts_at_1": "10:00", "ends_at_0": "2027-01-01", "ends_at_1": "10:00"},
                "ends_at",
                "It would end before it begins: correct one of the two.",
            ),
            ({"excluded": "on"}, "countries", "Name what is excluded, or untick it: the world is said by nothing."),
        ],
    )
    def test_of_a_row_is_said_at_its_field(self, staff: Client, row: dict[str, str], field: str, said: str) -> None:
        sent = self.SENT | {f"rows-0-{name}": value for name, value in row.items()}
        answer = staff.post(reverse("admin:catalog_collection_add"), sent)
        assert answer.context["inline_admin_formsets"][1].formset.forms[0].errors == {field: [said]}
        assert said in answer.content.decode()
        assert not Collection.objects.exists()

    def test_of_how_many_is_said_at_its_field(self, staff: Client) -> None:
        answer = staff.post(reverse("admin:catalog_collection_add"), self.SENT | {"most": "501"})
        assert answer.context["adminform"].form.errors == {"most": ["A collection shows from 1 to 500 titles."]}
        assert not Collection.objects.exists()


class TestPreview:
    def ask(self, staff: Client, **filled: Any) -> Any:
        given = {"kind": "rule", "order": "added", "most": "100", "preview-country": "DE", "preview-age": "18"}
        return staff.post(reverse("admin:catalog_collection_preview"), given | filled)

    def test_shows_what_the_unsaved_rule_finds_for_a_country_and_an_age(self, staff: Client) -> None:
        mild, grim = film("Mild", genre="drama"), film("Grim", genre="drama")
        film("Elsewhere", genre="drama", window={"territories": ["FR"]})
        film("Other")
        for title, age in ((mild, 6), (grim, 16)):
            RatingFactory.create(title=title, country="DE", system="FSK", value=str(age), minimum_age=age)
        drama = Genre.objects.get(slug="drama").pk
        answer = self.ask(staff, rule_genres=[drama])
        assert [row[1] for row in answer.context["rows"]] == ["Grim", "Mild"]
        assert answer.context["found"] == 3
        assert [row[1] for row in self.ask(staff, rule_genres=[drama], **{"preview-age": "12"}).context["rows"]] == [
            "Mild"
        ]
        assert Collection.objects.count() == 0

    def test_puts_the_named_ones_first_and_tells_which_are_not_seen(self, staff: Client) -> None:
        named, second = film("Named"), film("Second")
        elsewhere, gone = film("Elsewhere", window={"territories": ["FR"]}), film("Gone")
        film("Found", genre="drama")
        lines = {
            "members-0-title": second.pk, "members-0-position": "1", "members-1-title": named.pk,
            "members-1-position": "0", "members-2-title": elsewhere.pk, "members-2-position": "2",
            "members-3-title": gone.pk, "members-3-position": "3", "members-3-DELETE": "on", "members-4-title": "",
        }  # fmt: skip
        answer = self.ask(staff, kind="mixed", rule_genres=[Genre.objects.get(slug="drama").pk], **lines)
        assert [row[1] for row in answer.context["rows"]] == ["Named", "Second", "Found"]
        assert [name for _, name in answer.context["unseen"]] == ["Elsewhere"]

    def test_says_what_is_wrong_instead(self, staff: Client) -> None:
        answer = self.ask(staff, rule_year_from="2000", rule_year_to="1999", **{"preview-country": "QQ"})
        assert "end before they begin" in answer.content.decode()
        assert "QQ" in answer.content.decode()
        assert "rows" not in answer.context
