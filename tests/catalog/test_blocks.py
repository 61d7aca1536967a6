"""What a household blocks for a profile is shown to it nowhere, and to everybody else as before."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.maturity import Audience
from accounts.models import AuditEntry, Profile
from accounts.services import pins, profiles
from catalog import personal_data
from catalog.models import Collection, CollectionTitle, EditorialRow, Genre, Keyword, ProfileBlock, Title
from catalog.rules import Blocks, Viewer
from catalog.selectors import availability
from catalog.services import blocks, matching, publication, search, tags
from core import personal_data as walk
from core.errors import DomainError
from tests.billing.threads import await_waiting
from tests.erasures import Tally
from tests.factories.accounts import AccountFactory, KidsProfileFactory, ProfileFactory, sign_in
from tests.factories.catalog import NOW, ProviderFactory, TitleFactory, feed, ingest, movie

pytestmark = pytest.mark.django_db

MASTER = "8264"


@pytest.fixture(autouse=True)
def in_germany(settings: Any) -> None:
    settings.DEFAULT_COUNTRY = "DE"


@pytest.fixture
def catalogue() -> dict[str, Title]:
    """Two films and a series, some of them horror, all with one person; in a row, and to be found."""
    tales = {"id": "tales", "kind": "series", "titles": {"en": "Pier Tales"}, "genres": ["Slasher"]}
    licence = {"availability": [{"license_type": "SVOD"}]}
    people = {"people": [{"name": "Ines Caldera", "job": "director"}]}
    ingest(
        feed(
            movie(1, titles={"en": "Pier"}, genres=["Drama"]),
            movie(2, titles={"en": "Pier at Night"}, genres=["Drama"], keywords=["gore"]),
            {**tales, **licence, **people},
            {"id": "s1", "kind": "season", "series": "tales", "number": 1},
            {"id": "e1", "kind": "episode", "season": "s1", "number": 1, "titles": {"en": "Pier Lights"}},
            {"id": "t1", "kind": "trailer", "of": "tales", "titles": {"en": "Pier Trailer"}},
        ),
        ProviderFactory.create(),
    )
    horror = Genre.objects.create(slug="horror", name="Horror")
    Genre.objects.filter(name="Slasher").update(parent=horror)
    search.rebuild_completions()
    found = {title.texts.get().name: title for title in Title.objects.filter(texts__isnull=False)}
    row = Collection.objects.create(slug="all", names={"en": "All"}, updated_at=NOW)
    for position, title in enumerate(found.values()):
        CollectionTitle.objects.create(collection=row, title=title, position=position)
    ruled = Collection.objects.create(
        slug="ruled", names={"en": "Ruled"}, kind="rule", rule={"kinds": ["movie", "series"]}, updated_at=NOW
    )
    for collection in (row, ruled):
        EditorialRow.objects.create(collection=collection)
    return found


def block(profile: Profile, kind: str, of: Any, **values: Any) -> ProfileBlock:
    return blocks.add(account_id=profile.account_id, profile_id=profile.pk, kind=kind, of=of, now=NOW, **values)


def lift(profile: Profile, block_id: Any, **values: Any) -> None:
    blocks.remove(account_id=profile.account_id, profile_id=profile.pk, block_id=block_id, now=NOW, **values)


def seen_by(profile: Profile) -> dict[str, set[str]]:
    """Answer the names that a profile meets, by where it looks."""
    client = signed_in(profile)

    def get(address: str, **parameters: Any) -> Any:
        answer = client.get(f"/api/v1/{address}", parameters)
        return answer.json() if answer.status_code == 200 else {}

    person = Title.objects.filter(credits__isnull=False).values_list("credits__person", flat=True)[0]
    texts = Title.objects.filter(texts__isnull=False)
    return {
        "list": {title["name"] for title in get("titles")["results"]},
        "pages": {title.texts.get().name for title in texts if get(f"titles/{title.pk}")},
        "extras": {one["name"] for title in texts for one in get(f"titles/{title.pk}").get("extras", ())},
        "episodes": {one["name"] for title in texts for one in get(f"titles/{title.pk}/episodes").get("results", ())},
        "search": {title["name"] for title in get("search", q="pier")["results"]},
        "letters": {title["name"] for title in get("search", q="pi")["results"]},
        "suggestions": {title["name"] for title in get("search/suggestions", q="pier")["results"]},
        "person": {one["title"]["name"] for one in get(f"people/{person}").get("titles", ())},
        "genres": {genre["name"] for genre in get("genres")},
        "rows": {title["name"] for row in get("rows") for title in row["titles"]},
        "collection": {title["name"] for title in get("collections/all").get("titles", ())},
    }


def signed_in(profile: Profile) -> Client:
    return Client(headers={"X-Session-Token": sign_in(profile.account, profile=profile)})


FILMS, SERIES = {"Pier", "Pier at Night"}, {"Pier Tales"}
PARTS = {"Pier Lights"}


class TestWhatIsBlocked:
    def seen(self, films: set[str], *, series: bool, genres: set[str]) -> dict[str, set[str]]:
        alone = films | (SERIES if series else set())
        parts = PARTS if series else set()
        trailer = {"Pier Trailer"} if series else set()
        return {
            "list": alone, "pages": alone | parts | trailer, "extras": trailer, "episodes": parts,
            "search": alone | parts, "letters": alone | parts, "suggestions": alone | parts, "person": alone, "genres": genres,
            "rows": alone, "collection": alone,
        }  # fmt: skip

    def test_is_nothing_at_first(self, catalogue: dict[str, Title]) -> None:
        assert seen_by(ProfileFactory.create()) == self.seen(FILMS, series=True, genres={"Drama", "Horror", "Slasher"})

    def test_of_a_film_is_the_film(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        block(profile, "title", catalogue["Pier"].pk)
        assert seen_by(profile) == self.seen({"Pier at Night"}, series=True, genres={"Drama", "Horror", "Slasher"})

    def test_of_a_series_is_all_of_it(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        block(profile, "title", catalogue["Pier Tales"].pk)
        assert seen_by(profile) == self.seen(FILMS, series=False, genres={"Drama"})

    def test_of_a_genre_is_what_lies_below_it_too(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        block(profile, "genre", "horror")
        assert seen_by(profile) == self.seen(FILMS, series=False, genres={"Drama"})

    def test_of_a_keyword_is_what_has_it(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        block(profile, "keyword", "Gore")
        assert seen_by(profile) == self.seen({"Pier"}, series=True, genres={"Drama", "Horror", "Slasher"})

    def test_of_one_profile_is_not_anothers(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        sibling = ProfileFactory.create(account=profile.account)
        before = seen_by(sibling)
        for title in catalogue.values():
            block(profile, "title", title.pk)
        assert seen_by(profile) == {place: set() for place in before}
        assert seen_by(sibling) == before

    def test_is_seen_again_once_it_is_lifted(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        before = seen_by(profile)
        made = [block(profile, "genre", "drama"), block(profile, "title", catalogue["Pier Tales"].pk)]
        for one in made:
            lift(profile, one.pk)
        assert seen_by(profile) == before
        assert Profile.objects.get().blocks_version == ""

    def test_is_explained(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        block(profile, "genre", "horror")
        block(profile, "title", catalogue["Pier Lights"].pk)
        profile.refresh_from_db()
        viewer = Viewer("DE", ("en",), Audience(), Blocks(profile.pk, profile.blocks_version))
        episode, series = catalogue["Pier Lights"], catalogue["Pier Tales"]
        reasons = availability.explain(episode.pk, viewer, NOW)
        assert [(reason.code, reason.title_id) for reason in reasons] == [
            ("blocked", episode.pk), ("blocked", series.pk),
        ]  # fmt: skip
        for title in Title.objects.all():
            shown = Title.objects.visible_to(viewer, NOW).filter(pk=title.pk).exists()
            assert shown is not bool(availability.explain(title.pk, viewer, NOW))

    def test_goes_along_when_titles_are_merged_and_comes_back(self) -> None:
        profile = ProfileFactory.create()
        kept, merged = TitleFactory.create(name="Pier"), TitleFactory.create(name="The Pier")
        block(profile, "title", merged.pk)
        done = matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:1", now=NOW)
        client = signed_in(profile)
        assert client.get(f"/api/v1/titles/{kept.pk}").status_code == 404
        matching.unmerge(merge_id=done.pk, by="user:1", now=NOW)
        assert client.get(f"/api/v1/titles/{kept.pk}").status_code == 200
        assert client.get(f"/api/v1/titles/{merged.pk}").status_code == 404

    def test_costs_no_query_more(
        self, catalogue: dict[str, Title], django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        profile = ProfileFactory.create()
        block(profile, "keyword", "gore")
        client = signed_in(profile)
        # In a transaction nothing is kept: one more to know who asks, none for when answers end.
        for address in (f"titles/{catalogue['Pier'].pk}", "titles"):
            with django_assert_num_queries(3):
                assert client.get(f"/api/v1/{address}").status_code == 200


class TestAdding:
    def test_says_what_is_blocked(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        client, address = signed_in(profile), f"/api/v1/profiles/{profile.pk}/blocks"
        title = catalogue["Pier"]
        answers = [
            client.post(address, body, content_type="application/json")
            for body in ({"title": str(title.pk)}, {"genre": "horror"}, {"keyword": "gore"}, {"keyword": "GORE"})
        ]
        assert [answer.status_code for answer in answers] == [201] * 4
        told = [answer.json() for answer in answers]
        assert told[3] == told[2]
        assert [(one["kind"], one["title"], one["genre"], one["keyword"], one["name"]) for one in told[:3]] == [
            ("title", str(title.pk), None, None, "Pier"),
            ("genre", None, "horror", None, "Horror"),
            ("keyword", None, None, "gore", "gore"),
        ]
        assert client.get(address).json()["results"] == told[2::-1]

    @pytest.mark.parametrize(
        "body", [{}, {"genre": "drama", "keyword": "gore"}, {"title": "x"}, {"genre": ""}, {"genre": 5}, {"tag": "x"}]
    )
    def test_of_nothing_or_two_things_is_refused(self, catalogue: dict[str, Title], body: dict[str, Any]) -> None:
        profile = ProfileFactory.create()
        answer = signed_in(profile).post(f"/api/v1/profiles/{profile.pk}/blocks", body, content_type="application/json")
        assert (answer.status_code, ProfileBlock.objects.count()) == (400, 0)

    def test_of_what_is_not_there_is_refused(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        draft = TitleFactory.create(state="draft", published_at=None)
        for kind, of, code in (
            ("title", uuid4(), "title_not_found"),
            ("title", draft.pk, "title_not_found"),
            ("genre", "nowhere", "tag_not_found"),
            ("keyword", "nowhere", "tag_not_found"),
        ):
            with pytest.raises(DomainError) as refusal:
                block(profile, kind, of)
            assert refusal.value.code == code
        assert (ProfileBlock.objects.count(), Profile.objects.get().blocks_version) == (0, "")

    def test_names_no_title_that_is_no_longer_public(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        block(profile, "title", catalogue["Pier"].pk)
        publication.withdraw(title_id=catalogue["Pier"].pk, by="user:1", now=NOW)
        [told] = signed_in(profile).get(f"/api/v1/profiles/{profile.pk}/blocks").json()["results"]
        assert (told["title"], told["name"]) == (str(catalogue["Pier"].pk), "")

    def test_stops_at_the_limit(self, monkeypatch: pytest.MonkeyPatch, catalogue: dict[str, Title]) -> None:
        monkeypatch.setattr(blocks, "MOST", 1)
        profile = ProfileFactory.create()
        first = block(profile, "genre", "drama")
        with pytest.raises(blocks.TooManyBlocks):
            block(profile, "keyword", "gore")
        assert block(profile, "genre", "drama") == first
        assert ProfileBlock.objects.get() == first

    def test_is_listed_in_as_many_queries_for_many_as_for_one(
        self, catalogue: dict[str, Title], django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        profile = ProfileFactory.create()
        for title in catalogue.values():
            block(profile, "title", title.pk)
        block(profile, "genre", "horror")
        client = signed_in(profile)
        # Who asks, whose profile it is, the blocks, names of titles.
        with django_assert_num_queries(4):
            assert len(client.get(f"/api/v1/profiles/{profile.pk}/blocks").json()["results"]) == 6


class TestWhoMay:
    def test_is_who_knows_the_master_pin(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        pins.put(account_id=profile.account_id, profile_id=None, pin=MASTER, now=NOW)
        with pytest.raises(pins.PinRequired):
            block(profile, "genre", "drama")
        with pytest.raises(pins.PinWrong):
            block(profile, "genre", "drama", master_pin="1111")
        assert ProfileBlock.objects.count() == 0
        made = block(profile, "genre", "drama", master_pin=MASTER)
        with pytest.raises(pins.PinRequired):
            lift(profile, made.pk)
        with pytest.raises(pins.PinWrong):
            lift(profile, made.pk, master_pin="1111")
        assert ProfileBlock.objects.get() == made
        assert AuditEntry.objects.filter(act="pin_failed").count() == 2
        lift(profile, made.pk, master_pin=MASTER)
        assert ProfileBlock.objects.count() == 0

    def test_is_no_child(self, catalogue: dict[str, Title]) -> None:
        adult = ProfileFactory.create()
        child = KidsProfileFactory.create(account=adult.account)
        made = block(child, "genre", "drama")
        client, address = signed_in(child), f"/api/v1/profiles/{child.pk}/blocks"
        for answer in (
            client.get(address),
            client.post(address, {"genre": "horror"}, content_type="application/json"),
            client.post(f"{address}/{made.pk}/lift", {}, content_type="application/json"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "profile_restricted")
        assert ProfileBlock.objects.get() == made

    def test_is_nobody_of_another_account(self, catalogue: dict[str, Title]) -> None:
        profile, stranger = ProfileFactory.create(), ProfileFactory.create()
        made = block(profile, "genre", "drama")
        client = signed_in(stranger)
        answers = []
        for profile_id in (profile.pk, uuid4()):
            address = f"/api/v1/profiles/{profile_id}/blocks"
            answers.append(client.get(address))
            answers.append(client.post(address, {"genre": "horror"}, content_type="application/json"))
            answers.append(client.post(f"{address}/{made.pk}/lift", {}, content_type="application/json"))
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "profile_not_found")}
        # Nor by an address that joins a profile of one's own to another's block.
        own = f"/api/v1/profiles/{stranger.pk}/blocks/{made.pk}/lift"
        assert client.post(own, {}, content_type="application/json").json()["code"] == "block_not_found"
        assert ProfileBlock.objects.get() == made


class TestAHouseholdsData:
    def test_tells_of_its_blocks_and_forgets_them(self, catalogue: dict[str, Title]) -> None:
        profile, other = ProfileFactory.create(), ProfileFactory.create()
        block(profile, "title", catalogue["Pier"].pk)
        block(profile, "genre", "horror")
        kept = block(other, "genre", "horror")
        told = [
            list(stream.records)
            for app, stream in walk.export(account_id=profile.account_id)
            if (app, stream.name) == ("catalog", "blocks")
        ]
        assert [(row["title"], row["genre__slug"]) for row in told[0]] == [
            (catalogue["Pier"].pk, None), (None, "horror"),
        ]  # fmt: skip
        tally = Tally()
        for _ in range(2):
            personal_data.erase(account_id=profile.account_id, now=NOW, tally=tally)
        assert (tally, ProfileBlock.objects.get()) == ({"catalog.ProfileBlock": 2}, kept)

    def test_loses_a_profiles_blocks_with_the_profile(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        ProfileFactory.create(account=profile.account)
        block(profile, "genre", "horror")
        profiles.delete(account_id=profile.account_id, profile_id=profile.pk, now=NOW)
        assert ProfileBlock.objects.count() == 0

    def test_stays_a_profiles_own_when_it_moves(self, catalogue: dict[str, Title]) -> None:
        profile, account = ProfileFactory.create(), AccountFactory.create()
        block(profile, "title", catalogue["Pier"].pk)
        Profile.objects.filter(pk=profile.pk).update(account=account)
        profile.refresh_from_db()
        assert "Pier" not in seen_by(profile)["list"]


class TestABlock:
    def test_is_of_one_thing(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        two = {"genre": Genre.objects.get(slug="horror"), "keyword": Keyword.objects.get(name="gore")}
        none: dict[str, Any] = {}
        for things in (none, two):
            with transaction.atomic(), pytest.raises(IntegrityError, match="profile_block_of_one_thing"):
                ProfileBlock.objects.create(profile=profile, created_at=NOW, **things)

    def test_is_made_once(self, catalogue: dict[str, Title]) -> None:
        profile = ProfileFactory.create()
        block(profile, "keyword", "gore")
        with transaction.atomic(), pytest.raises(IntegrityError, match="profile_block_keyword_once"):
            ProfileBlock.objects.create(profile=profile, created_at=NOW, keyword=Keyword.objects.get(name="gore"))


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_do_not_pass_the_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(blocks, "MOST", 1)
        profile = ProfileFactory.create()
        titles = [TitleFactory.create() for _ in range(2)]
        start = threading.Barrier(2)
        outcomes: list[str] = []

        def add(title: Title) -> None:
            start.wait()
            try:
                outcomes.append(block(profile, "title", title.pk).kind)
            except blocks.TooManyBlocks as refusal:
                outcomes.append(refusal.code)
            finally:
                connection.close()

        threads = [threading.Thread(target=add, args=[title]) for title in titles]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["title", "too_many_blocks"]
        assert ProfileBlock.objects.count() == 1

    @pytest.mark.parametrize(("model", "kind", "of"), [(Genre, "genre", "slasher"), (Keyword, "keyword", "gore")])
    def test_block_what_a_tag_means_once_it_is_merged(
        self, model: type[Genre] | type[Keyword], kind: str, of: str
    ) -> None:
        profile = ProfileFactory.create()
        ingest(feed(movie(1, genres=["Slasher", "Horror"], keywords=["gore", "blood"])), ProviderFactory.create())
        name = "slug" if kind == "genre" else "name"
        merged = model._default_manager.get(**{name: of})
        kept = model._default_manager.exclude(pk=merged.pk).get()

        def add() -> None:
            try:
                block(profile, kind, of)
            finally:
                connection.close()

        thread = threading.Thread(target=add)
        with transaction.atomic():
            tags.merge(model=model, kept_id=kept.pk, merged_id=merged.pk)
            thread.start()
            await_waiting(1)
        thread.join()
        assert list(ProfileBlock.objects.values_list("profile", kind)) == [(profile.pk, kept.pk)]
