"""What ratings mean in years, and who may watch what: the table against MovieLabs' facts, and the one comparison."""

from __future__ import annotations

import csv
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from accounts import maturity
from accounts.maturity import Audience, Verdict, viewing_age
from local import paths

MOVIELABS = paths.ROOT.parent / "shared" / "data" / "movielabs" / "CMR_Ratings_v2.5.1.xml"
BOARD = "{http://www.movielabs.com/schema/mdcr/v1.1}"
METADATA = "{http://www.movielabs.com/schema/md/v2.1/md}"

LEFT_OUT = {
    ("AE", "MOI-G"): "games",
    ("BE", "PEGI"): "games",
    ("SG", "MDA-VG"): "games",
    ("US", "ESRB"): "games",
    ("US", "RIAA"): "music",
    ("US", "MPAAT"): "which trailers a film may follow in a cinema",
    ("CA", "CPBC-T"): "which trailers a film may follow in a cinema",
    ("VE", "RESORTE-Health"): "what is mentioned, not for whom it is",
    ("VE", "RESORTE-Language"): "what is said, not for whom it is",
    ("VE", "RESORTE-Sexo"): "what is shown, not for whom it is",
    ("VE", "RESORTE-Violencia"): "what is shown, not for whom it is",
    ("ZZ", "UNRATED"): "that no board has rated",
}
OF_OUR_OWN = {("US", "Amazon")}
# Apart from the order of its board: a line of programmes for children beside the one for all.
BESIDE = {("CA", "CBSC", "C8")}


class Known:
    """What MovieLabs says of one rating."""

    def __init__(self, rating: etree._Element, adopters: frozenset[str]) -> None:
        self.value = rating.get("ratingID", "")
        self.adopters = adopters
        self.ordinal = self._number(rating, "Ordinal")
        self.age = max(self._number(rating, "MinRecAge"), self._number(rating, "MinAge"))

    def _number(self, rating: etree._Element, name: str) -> int:
        return int(rating.findtext(f"{BOARD}{name}") or 0)


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, str], list[Known]]:
    """MovieLabs' ratings by country and system, the facts that the table rests on."""
    if not MOVIELABS.is_file():
        pytest.skip(f"{MOVIELABS} is not here to compare with")
    systems = {}
    for system in etree.parse(MOVIELABS).getroot().iter(f"{BOARD}RatingSystem"):
        identity = system.find(f"{BOARD}RatingSystemID")
        assert identity is not None
        key = (next(identity.iter(f"{METADATA}country")).text or "", identity.findtext(f"{BOARD}System") or "")
        adopters = frozenset(
            country.text or ""
            for region in system.iter(f"{BOARD}AdoptiveRegion")
            for country in region.iter(f"{METADATA}country")
        )
        systems[key] = [Known(rating, adopters) for rating in system.iter(f"{BOARD}Rating")]
    return systems


def table() -> dict[tuple[str, str], list[dict[str, str]]]:
    found = defaultdict(list)
    with (paths.ROOT / "accounts" / "age_ratings.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["country"], row["system"]].append(row)
    return found


class TestTheTable:
    def test_has_every_system_that_says_for_whom_something_is(self, known: dict[tuple[str, str], list[Known]]) -> None:
        assert len(known) == 110
        assert set(table()) - OF_OUR_OWN == set(known) - set(LEFT_OUT)

    def test_has_every_rating_of_these_and_no_other(self, known: dict[tuple[str, str], list[Known]]) -> None:
        for board, rows in table().items():
            if board not in OF_OUR_OWN:
                assert sorted(row["value"] for row in rows) == sorted(rating.value for rating in known[board]), board

    def test_has_the_ages_that_boards_state_or_says_why_not(self, known: dict[tuple[str, str], list[Known]]) -> None:
        for board, rows in table().items():
            stated = {rating.value: rating.age for rating in known.get(board, ())}
            for row in rows:
                if not row["why"]:
                    assert int(row["age"]) == stated[row["value"]], (board, row["value"])

    def test_grows_stricter_in_the_order_of_each_board(self, known: dict[tuple[str, str], list[Known]]) -> None:
        for board, rows in table().items():
            places = {rating.value: rating.ordinal for rating in known.get(board, ())}
            # A place of 0 is the mildest verdict's, and that of verdicts without a place.
            placed = [
                (places[row["value"]], int(row["age"]))
                for row in rows
                if row["age"]
                and places.get(row["value"])
                and (*board, row["value"]) not in BESIDE
                and not row["why"].startswith("A span")
            ]
            for (_, milder), (_, stricter) in pairwise(sorted(placed)):
                assert milder <= stricter, board

    def test_is_written_mildest_first(self) -> None:
        for board, rows in table().items():
            ages = [int(row["age"]) if row["age"] else 99 for row in rows]
            assert ages == sorted(ages), board

    def test_covers_countries_and_sets_ages_of_people(self) -> None:
        found = list(maturity.verdicts())
        assert len({verdict.country for verdict in found}) == 75
        assert len({(verdict.country, verdict.system) for verdict in found}) == 99
        assert len(found) == 637
        assert {verdict.minimum_age for verdict in found} <= {None, *range(22)}

    def test_says_what_countries_take_over_as_they_do(self, known: dict[tuple[str, str], list[Known]]) -> None:
        taken_over = {
            (country, board) for board, ratings in known.items() for country in ratings[0].adopters if board in table()
        }
        abroad = {(country, board) for country, board in taken_over if country != board[0]}
        assert abroad == {(country, board) for country, boards in maturity.ADOPTED.items() for board in boards}

    def test_finds_each_rating_by_its_own_name(self) -> None:
        for verdict in maturity.verdicts():
            assert maturity.verdict(verdict.system, verdict.value, verdict.country) == verdict


class TestVerdict:
    @pytest.mark.parametrize(
        ("system", "value", "country", "expected"),
        [
            ("MPAA", "PG-13", "", ("US", "MPAA", "PG-13", 13)),
            ("mpaa", "pg13", "", ("US", "MPAA", "PG-13", 13)),
            ("MPA", "Rated R", "US", ("US", "MPAA", "R", 17)),
            ("MPAA", "TV-14-DLSV", "", ("US", "TVPG", "TV-14", 14)),
            ("USA_PR", "TVG", "", ("US", "TVPG", "TV-G", 0)),
            ("TVPG", "TV-Y7 FV", "", ("US", "TVPG", "TV-Y7-FV", 7)),
            ("", "13+", "US", ("US", "Amazon", "13+", 13)),
            ("", "AGES_18_", "US", ("US", "Amazon", "18+", 18)),
            ("", "ALL_AGES", "US", ("US", "Amazon", "ALL", 0)),
            ("FSK", "FSK 12", "", ("DE", "FSK", "12", 12)),
            ("FSK", "ab 12 Jahren", "DE", ("DE", "FSK", "12", 12)),
            ("", "o.A.", "DE", ("DE", "FSK", "0", 0)),
            ("BBFC", "12A", "GB", ("GB", "BBFC", "12A", 12)),
            ("CHVRS", "18a", "", ("CA", "CHVRS", "18A", 18)),
            ("ACB", "MA 15+", "", ("AU", "NCS", "MA15", 15)),
            ("CLASSIND", "14 anos", "", ("BR", "DJCTQ", "14", 14)),
            ("CBFC", "U/A 13+", "", ("IN", "CBFC", "UA13+", 13)),
            ("RTC", "B-15", "", ("MX", "RTC", "B15", 15)),
            ("", "K-16", "FI", ("FI", "MEKU", "16", 16)),
            ("", "-12", "FR", ("FR", "CNC", "12", 12)),
            ("CSA", "12", "FR", ("FR", "CSA", "12", 12)),
            ("", "Barntillaten", "SE", ("SE", "SM-SA", "Barntillåten", 0)),
            ("", "M/12", "PT", ("PT", "CCE", "M/12", 12)),
            ("Kijkwijzer", "16", "BE", ("BE", "Kijkwijzer", "16", 16)),
            ("CHVRS", "E", "CA", ("CA", "CHVRS", "E", None)),
        ],
    )
    def test_is_found_as_feeds_spell_it(
        self, system: str, value: str, country: str, expected: tuple[str, str, str, int | None]
    ) -> None:
        assert maturity.verdict(system, value, country) == Verdict(*expected)

    @pytest.mark.parametrize(
        ("system", "value", "country"),
        [
            ("FSK", "17", "DE"),  # no such verdict
            ("PEGI", "12", "DE"),  # not for films, so not the FSK's
            ("MPAA", "PG-13", "GB"),  # not that country's
            ("CSA", "12", ""),  # two countries have one of that name
            ("", "12", ""),  # anybody's
            ("MPAA", "", "US"),
        ],
    )
    def test_is_none_where_nobody_can_tell(self, system: str, value: str, country: str) -> None:
        assert maturity.verdict(system, value, country) is None

    @pytest.mark.parametrize("value", ["", " ", "NR", "UR", "Unrated", "not rated", "TV-NR", "NOT_RATE", "N.R."])
    def test_of_nobody_is_known_by_its_words(self, value: str) -> None:
        assert maturity.is_unrated(value)

    def test_never_reads_a_rating_as_none(self) -> None:
        assert [verdict for verdict in maturity.verdicts() if maturity.is_unrated(verdict.value)] == []

    @given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["", "DE", "US", "ZZ", "x"]))
    def test_of_anything_is_one_of_the_table(self, system: str, value: str, country: str) -> None:
        found = maturity.verdict(system, value, country)
        assert found is None or found in set(maturity.verdicts())


AGES = st.none() | st.integers(0, 21)
RATINGS = st.lists(st.tuples(st.sampled_from(["DE", "US", "FR"]), AGES), max_size=4)


class TestViewingAge:
    def test_is_that_of_the_country(self) -> None:
        assert viewing_age([[("US", 17), ("DE", 12)]], "DE") == 12

    def test_is_the_strictest_of_several_of_the_country(self) -> None:
        assert viewing_age([[("DE", 12), ("DE", 16), ("US", 17)]], "DE") == 16

    def test_is_the_strictest_known_elsewhere(self) -> None:
        assert viewing_age([[("US", 17), ("DE", 12), ("FR", None)]], "FR") == 17

    def test_is_that_of_the_nearest_that_anybody_rated(self) -> None:
        assert viewing_age([[("US", None)], [("US", 7)], [("DE", 16)]], "DE") == 7

    def test_is_unknown_for_what_nobody_rated(self) -> None:
        assert viewing_age([[("FR", None)], []], "FR") is None

    @given(RATINGS, RATINGS)
    def test_is_one_that_somebody_gave(
        self, own: list[tuple[str, int | None]], whole: list[tuple[str, int | None]]
    ) -> None:
        age = viewing_age([own, whole], "DE")
        given_ages = {age for _, age in (*own, *whole) if age is not None}
        assert age in given_ages if given_ages else age is None


class TestAudience:
    @pytest.mark.parametrize(
        ("audience", "age", "refusal"),
        [
            (Audience(12, allows_unrated=False), 12, None),
            (Audience(12, allows_unrated=False), 13, "age"),
            (Audience(12, allows_unrated=False), None, "unrated"),
            (Audience(12, allows_unrated=True), None, None),
            (Audience(0, allows_unrated=False), 0, None),
            (Audience(17, allows_unrated=True), 18, "age"),
            # 18 is everything, what a board keeps until 21 included.
            (Audience(18, allows_unrated=False), 21, None),
            (Audience(18, allows_unrated=False), None, "unrated"),
            (Audience(), 21, None),
            (Audience(), None, None),
        ],
    )
    def test_sees_what_its_limits_let_through(self, audience: Audience, age: int | None, refusal: str | None) -> None:
        assert audience.refusal(age) == refusal

    @given(st.integers(0, 18), st.booleans(), AGES)
    def test_that_sees_everything_is_refused_nothing(self, highest: int, allows_unrated: bool, age: int | None) -> None:
        audience = Audience(highest, allows_unrated)
        if audience.sees_everything:
            assert audience.refusal(age) is None

    @given(st.integers(0, 17), st.booleans(), AGES)
    def test_that_is_older_sees_no_less(self, highest: int, allows_unrated: bool, age: int | None) -> None:
        younger, older = Audience(highest, allows_unrated), Audience(highest + 1, allows_unrated)
        assert younger.refusal(age) is not None or older.refusal(age) is None
