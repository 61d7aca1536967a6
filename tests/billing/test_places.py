"""Where a customer is billed: evidence, territories and the rates that hold there."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import places
from billing.models import TaxRate
from billing.places import Evidence, Place
from billing.services.invoicing import Rates
from local import paths

COUNTRIES = st.sampled_from(["", "DE", "FR", "US"])


class TestEvidence:
    @pytest.mark.parametrize(
        ("evidence", "agreed"),
        [
            (Evidence("DE", "DE", "US"), "DE"),
            (Evidence("DE", "US", "DE"), "DE"),
            (Evidence("FR", "DE", "DE"), "DE"),
            (Evidence("DE", "US", "FR"), ""),
            (Evidence("DE", "US", ""), ""),
            (Evidence("DE", "", "US"), ""),
            (Evidence("", "", "US"), ""),
            (Evidence("DE"), "DE"),
            (Evidence(), ""),
        ],
    )
    def test_needs_two_of_three(self, evidence: Evidence, agreed: str) -> None:
        assert evidence.agreed == agreed

    @given(COUNTRIES, COUNTRIES, COUNTRIES)
    def test_never_answers_what_only_one_piece_says_against_another(self, one: str, two: str, three: str) -> None:
        agreed = Evidence(one, two, three).agreed
        said = [one, two, three].count(agreed)
        assert not agreed or said >= 2 or (two == three == "" and agreed == one)


class TestPlace:
    @pytest.mark.parametrize(
        ("country", "postal_code", "place"),
        [
            ("ES", "35001", Place("ES", "ES-CN")),
            ("ES", "28001", Place("ES")),
            ("ES", "52001", Place("ES", "ES-CE")),
            ("DE", "78266", Place("DE", "DE-78266")),
            ("DE", "27498", Place("DE", "DE-27498")),
            ("DE", "10115", Place("DE")),
            ("FI", "22100", Place("AX")),
            ("FR", "98000", Place("MC")),
            ("FR", "97400", Place("RE")),
            ("FR", "75001", Place("FR")),
            ("PT", "9000-042", Place("PT", "PT-30")),
            ("PT", "9500-150", Place("PT", "PT-20")),
            ("IT", "23041", Place("IT", "IT-23030")),
            ("AT", "6991", Place("AT", "AT-6991")),
            # Valleys that are reached, and have their post brought, from Germany alone.
            ("DE", "87491", Place("AT", "AT-6691")),
            ("DE", "87568", Place("AT", "AT-6991")),
            ("GR", "630 86", Place("GR", "GR-69")),
            ("GB", "je2 3ab", Place("JE")),
            ("US", "35001", Place("US")),
        ],
    )
    def test_knows_where_a_countrys_tax_does_not_hold(self, country: str, postal_code: str, place: Place) -> None:
        assert Place.of(country, postal_code) == place


class TestMovesAt:
    def test_leaves_a_week_to_tell(self) -> None:
        now = datetime(2026, 3, 1, tzinfo=UTC)
        soon, in_time, later = (now + timedelta(days=days) for days in (6, 7, 37))
        assert places.moves_at([soon, in_time, later], now=now) == in_time


def _facts() -> list[dict[str, str]]:
    facts = paths.ROOT.parent / "shared" / "data" / "money" / "vat_rates.csv"
    if not facts.exists():
        pytest.skip("The facts are not at hand.")
    with facts.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["rate_type"] == "standard"]


OUR_OWN = {"CH", "EE", "FI", "LU", "RO", "RU", "SK", "ZA", "PT-20", "PT-30"}
"""Where a rate has changed since the facts were collected, or is not told right in them: docs/tax-and-law.md."""
NAMES = {"IC": "ES-CN", "EA": "ES-CE", "GR-69": "GR-69", "FI-01": "AX"}


@pytest.mark.django_db
class TestRates:
    def test_are_those_of_the_facts_on_each_day_on_which_one_begins(self) -> None:
        places_known = set(TaxRate.objects.values_list("country", flat=True))
        rates = Rates(places_known)
        checked = 0
        for fact in _facts():
            codes = {NAMES.get(code, code) for code in fact["territory_codes"].split("\n")}
            for code in (codes & places_known) - OUR_OWN:
                assert rates.on(code, date.fromisoformat(fact["start_date"])) == Decimal(fact["rate"]), (code, fact)
                checked += 1
        assert checked > 200

    def test_leave_no_day_without_between_two(self) -> None:
        ends = set(TaxRate.objects.exclude(ends=None).values_list("country", "ends"))
        begins = set(TaxRate.objects.values_list("country", "starts"))
        assert ends <= begins

    @pytest.mark.parametrize(
        ("place", "day", "rate"),
        [
            (Place("ES", "ES-CN"), date(2026, 1, 1), "0"),
            (Place("DE", "DE-78266"), date(2026, 1, 1), "0"),
            (Place("AX"), date(2026, 1, 1), "0"),
            (Place("MC"), date(2026, 1, 1), "0.2"),
            (Place("PT", "PT-20"), date(2026, 1, 1), "0.16"),
            (Place("PT", "PT-20"), date(2021, 6, 30), "0.18"),
            (Place("PT", "PT-20"), date(2013, 12, 31), "0.16"),
            (Place("PT", "PT-30"), date(2026, 1, 1), "0.22"),
            (Place("PT", "PT-30"), date(2012, 3, 31), "0.16"),
            (Place("IS"), date(2026, 1, 1), "0.24"),
            (Place("LI"), date(2026, 1, 1), "0.081"),
            (Place("RU"), date(2025, 12, 31), "0.2"),
            (Place("RU"), date(2026, 1, 1), "0.22"),
            (Place("ZA"), date(2026, 1, 1), "0.15"),
            # Goods are another thing there; services are the Kingdom's.
            (Place.of("GB", "BT1 5GS"), date(2026, 1, 1), "0.2"),
            (Place("DE"), date(2020, 12, 31), "0.16"),
            (Place("DE"), date(2021, 1, 1), "0.19"),
            (Place("LU"), date(2023, 12, 31), "0.16"),
        ],
    )
    def test_hold_where_and_when_they_do(self, place: Place, day: date, rate: str) -> None:
        assert Rates({place.taxed_as}).on(place.taxed_as, day) == Decimal(rate)
