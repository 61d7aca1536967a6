"""The content team's pages."""

from __future__ import annotations

from typing import Any, cast

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog.admin.naming import address_of
from catalog.models import (
    Credit,
    IngestRun,
    MatchCandidate,
    Person,
    Provider,
    PublicationEntry,
    Title,
    TitleMerge,
)
from catalog.services import matching, providers
from catalog.tasks import run_ingest
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.catalog import (
    NOW,
    EpisodeFactory,
    ProviderFactory,
    RatingFactory,
    SeasonFactory,
    TitleFactory,
    feed,
    ingest,
    movie,
)

pytestmark = pytest.mark.django_db

TITLES = "admin:catalog_title_changelist"


@pytest.fixture
def staff(client: Client) -> Client:
    account = AccountFactory.create(is_staff=True, is_superuser=True)
    client.cookies["sessionid"] = sign_in(account)
    return client


def form_of(page: Any) -> dict[str, Any]:
    """Answer what a browser would send back from a page, unchanged."""
    form = page.context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    for inline in page.context["inline_admin_formsets"]:
        formset = inline.formset
        for part in (formset.management_form, *formset.forms):
            data |= {part.add_prefix(name): part[name].value() for name in part.fields}
    return {name: "" if value is None else value for name, value in data.items()}


class TestTitleList:
    def test_costs_the_same_queries_however_long_it_is(self, staff: Client) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert staff.get(reverse(TITLES)).status_code == 200
            assert not any("COUNT(*)" in query["sql"] for query in captured.captured_queries)
            return len(captured)

        TitleFactory.create()
        few = queries()
        TitleFactory.create_batch(20)
        assert queries() == few

    def test_shows_what_stands_alone_and_searches_it(self, staff: Client) -> None:
        ingest(
            feed(movie(1, titles={"en": "Nosferatu"}), movie(2, titles={"en": "Metropolis"})), ProviderFactory.create()
        )
        season = SeasonFactory.create(parent=TitleFactory.create(kind="series", name="Tideline"), name="Hidden")
        text = staff.get(reverse(TITLES)).content.decode()
        assert all(name in text for name in ("Nosferatu", "Metropolis", "Tideline"))
        assert "Hidden" not in text
        text = staff.get(reverse(TITLES), {"q": "nosf"}).content.decode()
        assert ("Nosferatu" in text, "Metropolis" in text) == (True, False)
        assert "Hidden" in staff.get(reverse(TITLES), {"kind": season.kind}).content.decode()

    def test_finds_a_title_by_any_of_its_ids(self, staff: Client) -> None:
        eidr = "10.5240/CF5A-AB7E-A4DB-35FA-BAC5-M"
        ids = [{"namespace": "imdb", "value": "tt0013442"}, {"namespace": "eidr", "value": eidr}]
        ingest(feed(movie(1, titles={"en": "Nosferatu"}, external_ids=ids), movie(2)), ProviderFactory.create())
        title = Title.objects.get(texts__name="Nosferatu")
        hidden = EpisodeFactory.create(
            parent=SeasonFactory.create(parent=TitleFactory.create(kind="series")), name="Egg"
        )
        for asked in ("imdb:tt0013442", "tt0013442", eidr, f"eidr:{eidr}", "m1", str(title.pk), f" {title.pk.hex} "):
            text = staff.get(reverse(TITLES), {"q": asked}).content.decode()
            assert ("Nosferatu" in text, "Film 2" in text) == (True, False), asked
        # An id is of one title, whatever the list is about.
        assert "Egg" in staff.get(reverse(TITLES), {"q": str(hidden.pk), "kind": "movie"}).content.decode()
        assert "Nosferatu" not in staff.get(reverse(TITLES), {"q": "imdb:tt9"}).content.decode()

    def test_looks_for_a_name_among_episodes_too(self, staff: Client) -> None:
        provider = ProviderFactory.create()
        ingest(feed({"id": "s", "kind": "series", "titles": {"en": "Tideline"}},
                    {"id": "e", "kind": "episode", "series": "s", "number": 1, "titles": {"en": "Moonset"}}), provider)  # fmt: skip
        assert "Moonset" in staff.get(reverse(TITLES), {"q": "moons"}).content.decode()


def of_catalogue(queries: CaptureQueriesContext) -> int:
    """Count the queries of the catalogue; who asks is looked up once more when the cache is slow to answer."""
    return sum("catalog_" in query["sql"] for query in queries)


class TestManyParts:
    def test_of_a_title_are_shown_page_by_page_and_all_kept(self, staff: Client) -> None:
        title = TitleFactory.create()
        people = Person.objects.bulk_create(Person(name=f"Person {number}") for number in range(120))
        Credit.objects.bulk_create(
            Credit(title=title, person=person, job="actor", billing=number) for number, person in enumerate(people, 1)
        )
        address = reverse("admin:catalog_title_change", args=[title.pk])
        page = staff.get(address, {"credits-page": "2"})
        formset = next(one.formset for one in page.context["inline_admin_formsets"] if one.formset.prefix == "credits")
        assert [form.instance.billing for form in formset.initial_forms] == list(range(51, 101))
        data = form_of(page) | {"credits-0-character": "The keeper", "credits-1-DELETE": "on", "credits-page": "2"}
        answer = staff.post(address, data)
        assert answer.status_code == 302, answer.context["errors"]
        left = list(title.credits.order_by("billing").values_list("billing", "character"))
        assert left == [(number, "The keeper" if number == 51 else "") for number in range(1, 121) if number != 52]

    def test_of_a_title_cost_the_same_queries_however_many_they_are(self, staff: Client) -> None:
        def queries(credits_: int) -> int:
            title = TitleFactory.create()
            people = Person.objects.bulk_create(Person(name=f"Person {number}") for number in range(credits_))
            Credit.objects.bulk_create(Credit(title=title, person=person, job="actor") for person in people)
            with CaptureQueriesContext(connection) as captured:
                assert staff.get(reverse("admin:catalog_title_change", args=[title.pk])).status_code == 200
            return of_catalogue(captured)

        queries(1)  # the first page of a process asks for what it then remembers
        assert queries(2) == queries(40)

    def test_of_a_series_cost_the_same_queries_however_many_they_are(self, staff: Client) -> None:
        def queries(episodes: int) -> int:
            series = TitleFactory.create(kind="series")
            season = SeasonFactory.create(parent=series)
            for number in range(1, episodes + 1):
                EpisodeFactory.create(parent=season, number=number)
            with CaptureQueriesContext(connection) as captured:
                assert staff.get(reverse("admin:catalog_title_change", args=[series.pk])).status_code == 200
            return of_catalogue(captured)

        queries(1)  # the first page of a process asks for what it then remembers
        assert queries(2) == queries(9)

    def test_of_a_series_are_asked_for_once_a_page(self, staff: Client) -> None:
        series = TitleFactory.create(kind="series")
        EpisodeFactory.create(parent=SeasonFactory.create(parent=series))
        with CaptureQueriesContext(connection) as asked:
            page = staff.get(reverse("admin:catalog_title_change", args=[series.pk]))
        assert "Season 1" in page.content.decode()
        children = [query["sql"] for query in asked if '"catalog_title"."parent_id"' in query["sql"].split("WHERE")[-1]]
        assert [sql.split('"parent_id" ')[-1].split()[0] for sql in children] == ["=", "IN"]


class TestTitlePage:
    def test_saves_what_was_changed_and_nothing_else(self, staff: Client) -> None:
        ingest(
            feed(movie(1, runtime_seconds=60, ratings=[{"country": "US", "system": "MPAA", "value": "G"}])),
            ProviderFactory.create(),
        )
        title = Title.objects.get()
        address = reverse("admin:catalog_title_change", args=[title.pk])
        data = form_of(staff.get(address))
        assert staff.post(address, data).status_code == 302
        title.refresh_from_db()
        assert (title.revision, title.edited) == (1, [])
        data |= {"runtime_seconds": "75", "texts-0-name": "Die Mole", "ratings-0-value": "R", "countries": "DE,FR"}
        answer = staff.post(address, data)
        assert answer.status_code == 302, answer.context["errors"]
        title.refresh_from_db()
        assert (title.runtime_seconds, title.countries, title.revision) == (75, ["DE", "FR"], 2)
        assert title.edited == ["countries", "ratings", "runtime_seconds", "texts"]
        assert title.texts.get().name == "Die Mole"
        assert title.ratings.get().minimum_age == 17
        assert title.search_document.name == "die mole"

    def test_takes_companies_and_places_in_other_orders(self, staff: Client) -> None:
        episode = EpisodeFactory.create(parent=SeasonFactory.create(parent=TitleFactory.create(kind="series")))
        address = reverse("admin:catalog_title_change", args=[episode.pk])
        data = form_of(staff.get(address)) | {
            "companies": "production: Prana-Film\nbroadcast: Canal One",
            "alternate_numbers-TOTAL_FORMS": "1", "alternate_numbers-0-order": "disc",
            "alternate_numbers-0-season_number": "2", "alternate_numbers-0-number": "3",
        }  # fmt: skip
        answer = staff.post(address, data)
        assert answer.status_code == 302, answer.context["errors"]
        episode.refresh_from_db()
        assert episode.companies == [
            {"name": "Prana-Film", "role": "production"}, {"name": "Canal One", "role": "broadcast"},
        ]  # fmt: skip
        assert str(episode.alternate_numbers.get()) == "Disc: season 2, 3"
        assert episode.edited == ["alternate_numbers", "companies"]
        answer = staff.post(address, form_of(staff.get(address)) | {"companies": "studio: X"})
        assert "write production, distribution or broadcast" in str(answer.context["adminform"].form.errors)
        shown = staff.get(reverse("admin:catalog_title_history_one", args=[episode.pk])).content.decode()
        assert "Prana-Film production, Canal One broadcast" in shown

    @pytest.mark.parametrize(
        ("value", "is_taken"),
        [("10.5240/CF5A-AB7E-A4DB-35FA-BAC5-M", True), ("10.5240/CF5A-AB7E-A4DB-35FA-BAC5-N", False), ("tt1", False)],
    )
    def test_checks_an_eidr(self, staff: Client, value: str, is_taken: bool) -> None:
        title = TitleFactory.create()
        address = reverse("admin:catalog_title_change", args=[title.pk])
        data = form_of(staff.get(address)) | {
            "external_ids-TOTAL_FORMS": "1", "external_ids-0-namespace": "eidr", "external_ids-0-value": value,
        }  # fmt: skip
        assert (staff.post(address, data).status_code == 302, title.external_ids.exists()) == (is_taken, is_taken)

    def test_leads_to_another_part_with_the_next_number(self, staff: Client) -> None:
        series = TitleFactory.create(kind="series")
        EpisodeFactory.create(parent=SeasonFactory.create(parent=series, number=2), number=7)
        text = staff.get(reverse("admin:catalog_title_change", args=[series.pk])).content.decode()
        assert "Add: Season" in text
        assert "number=3" in text
        assert "number=8" in text
        form = staff.get(
            reverse("admin:catalog_title_add"), {"kind": "season", "parent": str(series.pk), "number": "3"}
        )
        values = form.context["adminform"].form
        assert (values["kind"].value(), values["parent"].value(), values["number"].value()) == (
            "season", str(series.pk), "3",
        )  # fmt: skip

    def test_refuses_what_the_database_would(self, staff: Client) -> None:
        title = TitleFactory.create()
        address = reverse("admin:catalog_title_change", args=[title.pk])
        data = form_of(staff.get(address)) | {"windows-0-starts_on": "2026-01-02", "windows-0-ends_on": "2026-01-01"}
        answer = staff.post(address, data)
        assert answer.status_code == 200
        assert answer.context["errors"]
        assert title.windows.get().starts_on is None

    @pytest.mark.parametrize("code", ["uk", "UK", "de", "QQ"])
    def test_refuses_a_territory_that_is_no_country(self, staff: Client, code: str) -> None:
        title = TitleFactory.create()
        address = reverse("admin:catalog_title_change", args=[title.pk])
        data = form_of(staff.get(address)) | {"windows-0-territories": code, "windows-0-excluded": "on"}
        answer = staff.post(address, data)
        assert answer.status_code == 200
        assert "is no country code of ISO 3166-1" in str(answer.context["errors"])
        assert title.windows.get().territories == []

    def test_makes_a_draft(self, staff: Client) -> None:
        series = TitleFactory.create(kind="series")
        address = reverse("admin:catalog_title_add")
        data = form_of(staff.get(address)) | {"kind": "season", "parent": str(series.pk)}
        answer = staff.post(address, data)
        assert "Give its number" in str(answer.context["adminform"].form.errors)
        assert staff.post(address, data | {"number": "2"}).status_code == 302
        season = Title.objects.get(kind="season")
        assert (season.parent, season.series, season.number, season.state) == (series, series, 2, "draft")

    def test_shows_seasons_and_episodes(self, staff: Client) -> None:
        series = TitleFactory.create(kind="series")
        season = SeasonFactory.create(parent=series, name="Winter")
        EpisodeFactory.create(parent=season, name="Slack Water")
        text = staff.get(reverse("admin:catalog_title_change", args=[series.pk])).content.decode()
        assert "Winter" in text
        assert "Slack Water" in text

    def test_deletes_nothing(self, staff: Client) -> None:
        title = TitleFactory.create()
        assert staff.post(reverse("admin:catalog_title_delete", args=[title.pk]), {"post": "yes"}).status_code == 403
        assert Title.objects.filter(pk=title.pk).exists()


class TestPublishing:
    def test_asks_first_then_acts_and_logs_who(self, staff: Client) -> None:
        title, other = TitleFactory.create(), TitleFactory.create(name="Other")
        data = {"action": "withdraw_selected", "_selected_action": [str(title.pk)]}
        page = staff.post(reverse(TITLES), data)
        assert page.status_code == 200
        title.refresh_from_db()
        assert title.state == "published"
        assert staff.post(reverse(TITLES), data | {"confirmed": "yes"}).status_code == 302
        title.refresh_from_db()
        other.refresh_from_db()
        assert (title.state, other.state) == ("withdrawn", "published")
        user_id = staff.session["_auth_user_id"]
        assert PublicationEntry.objects.get().by == f"user:{user_id}"

    def test_needs_the_right_to(self, client: Client) -> None:
        account = AccountFactory.create(is_staff=True)
        client.cookies["sessionid"] = sign_in(account)
        title = TitleFactory.create()
        data = {"action": "withdraw_selected", "_selected_action": [str(title.pk)], "confirmed": "yes"}
        assert client.post(reverse(TITLES), data).status_code == 403
        title.refresh_from_db()
        assert title.state == "published"

    def test_is_offered_on_the_titles_page(self, staff: Client) -> None:
        title = TitleFactory.create(name="Nosferatu")
        page = staff.get(reverse("admin:catalog_title_withdraw_one", args=[title.pk]))
        assert "Withdraw these 1 titles?" in page.content.decode() or "Nosferatu" in page.content.decode()


class TestDeliveries:
    def test_are_uploaded_ingested_and_reported(
        self, staff: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
    ) -> None:
        provider = ProviderFactory.create()
        queued: list[str] = []
        monkeypatch.setattr(run_ingest, "delay", lambda *, run_id: queued.append(run_id))
        file = SimpleUploadedFile(
            "feed.jsonl", feed(movie(1), b"{broken", movie(2, titles={"en": "=1+1"}, countries=["QQ"]))
        )
        data = {"provider": provider.pk, "format": "jsonl", "file": file, "delivery": ""}
        answer = staff.post(reverse("admin:catalog_ingestrun_add"), data)
        run = IngestRun.objects.get()
        address = reverse("admin:catalog_ingestrun_change", args=[run.pk])
        assert (answer.status_code, answer["Location"], queued) == (302, address, [str(run.pk)])
        assert 'http-equiv="refresh"' in staff.get(address).content.decode()
        run_ingest(run_id=queued[0])
        run.refresh_from_db()
        assert (run.state, run.read, run.created, run.rejected) == ("finished", 3, 1, 2)
        page = staff.get(address).content.decode()
        assert 'http-equiv="refresh"' not in page
        assert "unknown_country" in page
        assert "No country that we know." in page
        staff.cookies["django_language"] = "de"
        german = staff.get(address)
        assert ["Fehler", "invalid_json", "Das JSON ist nicht lesbar.", "", 1] in german.context["summary"]["rows"]
        told = [row[5] for row in german.context["problems"]["rows"] if row[4] == "unknown_country"]
        assert [text.startswith("Kein Land, das wir kennen. (") for text in told] == [True]
        answer = staff.get(reverse("admin:catalog_ingestrun_problems", args=[run.pk, "csv"]))
        report = b"".join(cast(Any, answer).streaming_content)
        assert report.decode().splitlines()[0] == "row,id,field,code,severity,message"
        assert len(report.decode().splitlines()) == 3
        assert staff.get(reverse("admin:catalog_ingestrun_problems", args=[run.pk, "exe"])).status_code == 404

    def test_counts_one_problem_as_one(self, staff: Client) -> None:
        run = ingest(feed(movie(1, countries=["QQ"])), ProviderFactory.create())
        assert ">1 problem<" in staff.get(reverse("admin:catalog_ingestrun_change", args=[run.pk])).content.decode()

    def test_list_is_shown(self, staff: Client) -> None:
        ingest(feed(movie(1)), ProviderFactory.create())
        assert staff.get(reverse("admin:catalog_ingestrun_changelist")).status_code == 200


class TestMatching:
    def pair(self) -> MatchCandidate:
        film = movie(1, release_date="2019", titles={"en": "The Pier"})
        del film["people"]
        ingest(feed(film), ProviderFactory.create(name="Harbour"))
        ingest(feed(film), ProviderFactory.create(name="Lagoon"))
        return MatchCandidate.objects.get()

    def test_queue_shows_two_titles_side_by_side_and_merges_them(self, staff: Client) -> None:
        candidate = self.pair()
        queue = staff.get(reverse("admin:catalog_matchcandidate_changelist"))
        assert "The Pier / The Pier" in queue.content.decode()
        address = reverse("admin:catalog_matchcandidate_change", args=[candidate.pk])
        text = staff.get(address).content.decode()
        assert all(word in text for word in ("Harbour: m1", "Lagoon: m1", "same name, same year", "keep_title"))
        assert ("Released", "2019", "2019") in staff.get(address).context["facts"]
        assert staff.post(address, {"choice": "keep_other"}).status_code == 302
        candidate.refresh_from_db()
        assert candidate.state == "merged"
        assert candidate.title.merged_into == candidate.other
        assert "keep_title" not in staff.get(address).content.decode()
        merged = staff.get(reverse("admin:catalog_title_change", args=[candidate.title_id]))
        assert f'merged into <a class="underline" href="{address_of(candidate.other_id)}"' in merged.content.decode()
        # Nothing of it is left to do or to edit: only where it went.
        assert all(word not in merged.content.decode() for word in ("/publish", 'name="_save"', 'name="number"'))
        assert merged.context["inline_admin_formsets"][0].opts.model is PublicationEntry
        assert len(merged.context["inline_admin_formsets"]) == 1
        published = staff.get(reverse("admin:catalog_title_publish_one", args=[candidate.title_id]), follow=True)
        assert "This title was merged into another" in published.content.decode()
        refused = staff.post(address_of(candidate.title_id), {"number": "7"})
        assert (refused.status_code, Title.objects.get(pk=candidate.title_id).number) == (403, None)
        undoing = staff.get(reverse("admin:catalog_titlemerge_changelist"), {"merged__exact": str(candidate.title_id)})
        assert undoing.context["cl"].result_count == 1
        # What is decided is out of the way, and can be asked for.
        pairs = reverse("admin:catalog_matchcandidate_changelist")
        shown = [staff.get(pairs, {"state__exact": state}).content.decode() for state in ("open", "merged", "all")]
        assert ["The Pier / The Pier" in text for text in shown] == [False, True, True]
        merges = reverse("admin:catalog_titlemerge_changelist")
        assert "The Pier" in staff.get(merges).content.decode()
        data = {"action": "undo", "_selected_action": [str(TitleMerge.objects.get().pk)]}
        assert staff.post(merges, data).status_code == 302
        assert TitleMerge.objects.get().undone_by == f"user:{staff.session['_auth_user_id']}"
        assert "user:" not in staff.get(merges).content.decode()
        assert not Title.objects.filter(merged_into__isnull=False).exists()

    def test_of_series_is_undone_with_the_seasons_that_were_chosen_along(self, staff: Client) -> None:
        kept, merged = TitleFactory.create_batch(2, kind="series")
        for series in (kept, merged):
            SeasonFactory.create(parent=series, number=1)
        matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:1", now=NOW)
        data = {
            "action": "undo",
            "_selected_action": [str(pk) for pk in TitleMerge.objects.values_list("pk", flat=True)],
        }
        assert staff.post(reverse("admin:catalog_titlemerge_changelist"), data).status_code == 302
        assert TitleMerge.objects.filter(undone_at__isnull=False).count() == 2
        assert not Title.objects.filter(merged_into__isnull=False).exists()

    def test_queue_keeps_two_titles_apart(self, staff: Client) -> None:
        candidate = self.pair()
        address = reverse("admin:catalog_matchcandidate_change", args=[candidate.pk])
        assert staff.post(address, {"choice": "apart"}).status_code == 302
        candidate.refresh_from_db()
        assert (candidate.state, Title.objects.filter(state="published").count()) == ("separate", 2)

    def test_needs_the_right_to_publish(self, client: Client) -> None:
        candidate = self.pair()
        client.cookies["sessionid"] = sign_in(AccountFactory.create(is_staff=True))
        address = reverse("admin:catalog_matchcandidate_change", args=[candidate.pk])
        assert client.post(address, {"choice": "keep_title"}).status_code == 403
        candidate.refresh_from_db()
        assert candidate.state == "open"

    def test_shows_whose_word_counts_and_who_sees_it(self, staff: Client) -> None:
        ids = [{"namespace": "imdb", "value": "tt1"}]
        ingest(feed(movie(1, external_ids=ids)), ProviderFactory.create(code="harbour"))
        ingest(feed(movie(1, external_ids=ids, keywords=["sea"])), ProviderFactory.create(code="lagoon"))
        text = staff.get(reverse("admin:catalog_title_change", args=[Title.objects.get().pk])).content.decode()
        assert "lagoon/jsonl" in text
        assert "Yes, to adults in US" in text


class TestProviders:
    def test_change_of_policy_makes_the_next_delivery_be_read_anew(self, staff: Client) -> None:
        provider = ProviderFactory.create(publish="review", has_default_licence=False)
        ingest(feed(movie(1)), provider)
        address = reverse("admin:catalog_provider_change", args=[provider.pk])
        data = form_of(staff.get(address))
        assert staff.post(address, data | {"name": "Renamed"}).status_code == 302
        assert Provider.objects.get().policy_version == 1
        data |= {"publish": "on_ingest", "has_default_licence": "on", "default_territories": "DE,AT"}
        assert staff.post(address, data).status_code == 302
        changed = Provider.objects.get()
        assert (changed.policy_version, changed.publish, changed.default_territories) == (2, "on_ingest", ["DE", "AT"])

    def test_licence_names_countries(self, staff: Client) -> None:
        provider = ProviderFactory.create()
        address = reverse("admin:catalog_provider_change", args=[provider.pk])
        answer = staff.post(address, form_of(staff.get(address)) | {"default_territories": "DE,UK"})
        assert "the United Kingdom is GB" in str(answer.context["adminform"].form.errors)
        provider.refresh_from_db()
        assert provider.default_territories == []

    def test_keeps_the_precedence_by_field_that_was_filled_in(self, staff: Client) -> None:
        provider = ProviderFactory.create(precedence_by_field={"ratings": 10})
        address = reverse("admin:catalog_provider_change", args=[provider.pk])
        form = form_of(staff.get(address))
        assert form["precedence_of_ratings"] == 10
        filled = {"precedence_of_ratings": "", "precedence_of_texts": "80", "precedence_of_release_date": "0"}
        staff.post(address, form | filled)
        provider.refresh_from_db()
        assert provider.precedence_by_field == {"texts": 80, "release_date": 0, "release_precision": 0}
        assert provider.policy_version == 2
        staff.post(address, form_of(staff.get(address)))
        provider.refresh_from_db()
        assert provider.policy_version == 2
        answer = staff.post(address, form | {"precedence_of_texts": "-1"})
        assert list(answer.context["adminform"].form.errors) == ["precedence_of_texts"]

    @pytest.mark.parametrize("wrong", [[], {"taste": 1}, {"texts": "80"}, {"texts": -1}, {"texts": True}])
    def test_refuses_a_precedence_that_nobody_could_read(self, wrong: Any) -> None:
        with pytest.raises(providers.ProviderInvalid):
            providers.save(code="acme", fields={"name": "Acme", "precedence_by_field": wrong})
        assert not Provider.objects.exists()

    @pytest.mark.parametrize("page", ["person", "genre", "keyword", "provider"])
    def test_and_the_other_lists_are_shown(self, staff: Client, page: str) -> None:
        RatingFactory.create(title=TitleFactory.create())
        assert staff.get(reverse(f"admin:catalog_{page}_changelist"), {"q": "a"}).status_code in {200, 302}


class TestWrongInput:
    """What the database would refuse is said in words, beside the field where it is mended."""

    @pytest.mark.parametrize(
        ("kind", "field", "typed", "said"),
        [
            ("movie", "editorial_weight", "11", "Choose a weight from -10 to 10."),
            ("season", "number", "", "Give its number: its place in the order of release."),
        ],
    )
    def test_is_said_at_its_field(self, staff: Client, kind: str, field: str, typed: str, said: str) -> None:
        title = TitleFactory.create() if kind == "movie" else SeasonFactory.create(parent=TitleFactory.create(kind="series"))  # fmt: skip
        address = reverse("admin:catalog_title_change", args=[title.pk])
        answer = staff.post(address, form_of(staff.get(address)) | {field: typed})
        assert answer.context["adminform"].form.errors == {field: [said]}
        assert said in answer.content.decode()
