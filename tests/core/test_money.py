"""core.money."""

import csv
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from babel.core import UnknownLocaleError
from hypothesis import given
from hypothesis import strategies as st

from core import money
from core.money import EXPONENTS, MixedCurrencies, Money, UnknownCurrency, exponent, round_half_up

ISO_4217 = Path(__file__).resolve().parents[3] / "shared" / "data" / "money" / "iso4217.csv"

amounts = st.integers(-(10**15), 10**15)
currencies = st.sampled_from(sorted(EXPONENTS))
fractions = st.fractions(min_value=-1000, max_value=1000, max_denominator=10**6)


class TestMoney:
    @pytest.mark.parametrize("amount", [1.0, "1", Decimal(1), None, True])
    def test_refuses_an_amount_that_is_no_int(self, amount: object) -> None:
        with pytest.raises(TypeError, match="int of minor units"):
            Money(amount, "EUR")  # type: ignore[arg-type]

    @pytest.mark.parametrize("currency", ["eur", "EU", "EURO", "", "XXX", "XAU", "QQQ", None, 978, ["EUR"]])
    def test_refuses_what_is_no_currency(self, currency: object) -> None:
        with pytest.raises(UnknownCurrency):
            Money(1, currency)  # type: ignore[arg-type]

    def test_refuses_an_amount_that_the_database_cannot_hold(self) -> None:
        assert Money(2**63 - 1, "EUR").amount == 2**63 - 1
        with pytest.raises(ValueError, match="64 bits"):
            Money(2**63, "EUR")
        with pytest.raises(ValueError, match="64 bits"):
            Money(2**63 - 1, "EUR") + Money(1, "EUR")

    def test_cannot_be_changed(self) -> None:
        with pytest.raises(AttributeError):
            Money(1, "EUR").amount = 2  # type: ignore[misc]

    @given(amounts, amounts, amounts, currencies)
    def test_adds_and_subtracts_as_integers_do(self, a: int, b: int, c: int, currency: str) -> None:
        x, y, z = Money(a, currency), Money(b, currency), Money(c, currency)
        assert x + y == y + x == Money(a + b, currency)
        assert (x + y) + z == x + (y + z)
        assert x - y == -(y - x) == x + -y
        assert sum([x, y, z], Money(0, currency)) == Money(a + b + c, currency)
        assert abs(x).amount == abs(a)

    @given(amounts, amounts, currencies)
    def test_is_ordered_by_amount(self, a: int, b: int, currency: str) -> None:
        x, y = Money(a, currency), Money(b, currency)
        assert (x < y, x <= y, x > y, x >= y, x == y) == (a < b, a <= b, a > b, a >= b, a == b)

    def test_refuses_to_mix_currencies(self) -> None:
        euro, dollar = Money(1, "EUR"), Money(1, "USD")
        for mix in (
            lambda: euro + dollar,
            lambda: euro - dollar,
            lambda: euro < dollar,
            lambda: euro <= dollar,
            lambda: euro > dollar,
            lambda: euro >= dollar,
        ):
            with pytest.raises(MixedCurrencies, match="cannot be combined"):
                mix()

    def test_differs_from_the_same_amount_in_another_currency(self) -> None:
        assert Money(0, "EUR") != Money(0, "USD")
        assert len({Money(1, "EUR"), Money(1, "EUR"), Money(1, "USD")}) == 2

    @pytest.mark.parametrize("other", [1, 1.5, "1 EUR", None])
    def test_refuses_to_add_or_compare_what_is_no_money(self, other: object) -> None:
        with pytest.raises(TypeError):
            Money(1, "EUR") + other  # type: ignore[operator]
        with pytest.raises(TypeError):
            Money(1, "EUR") - other  # type: ignore[operator]
        with pytest.raises(TypeError):
            assert Money(1, "EUR") < other  # type: ignore[operator]
        with pytest.raises(TypeError):
            assert Money(1, "EUR") <= other  # type: ignore[operator]

    @pytest.mark.parametrize("factor", [0.5, Decimal("0.5"), "2", Money(2, "EUR")])
    def test_refuses_to_multiply_by_what_is_not_exact(self, factor: object) -> None:
        with pytest.raises(TypeError):
            Money(1, "EUR") * factor  # type: ignore[operator]

    @given(amounts, fractions, currencies)
    def test_multiplies_exactly_and_rounds_once(self, amount: int, factor: Fraction, currency: str) -> None:
        product = Money(amount, currency) * factor
        assert product == factor * Money(amount, currency)
        assert abs(product.amount - amount * factor) <= Fraction(1, 2)
        assert -(Money(amount, currency) * factor) == Money(amount, currency) * -factor

    def test_rounds_each_line_and_not_the_total(self) -> None:
        # billing reference 4.1: three lines of 333 at 7 % give 23 each, 69, not the 70 of one line of 999
        rate = Fraction(7, 100)
        assert (Money(333, "EUR") * rate) * 3 == Money(69, "EUR")
        assert Money(999, "EUR") * rate == Money(70, "EUR")

    @pytest.mark.parametrize(
        ("amount", "currency", "text"),
        [(1599, "EUR", "15.99 EUR"), (-5, "USD", "-0.05 USD"), (1599, "JPY", "1599 JPY"), (2750, "KWD", "2.750 KWD")],
    )
    def test_is_written_in_major_units_for_logs(self, amount: int, currency: str, text: str) -> None:
        assert str(Money(amount, currency)) == text

    @given(st.integers(-(2**63) + 1, 2**63 - 1), currencies)
    def test_keeps_every_digit_in_major_units(self, amount: int, currency: str) -> None:
        major = Money(amount, currency).major
        assert Fraction(major) * 10 ** exponent(currency) == amount


class TestRoundHalfUp:
    @pytest.mark.parametrize(
        ("value", "rounded"),
        [
            (Fraction("774.5"), 775),
            (Fraction("-774.5"), -775),
            (Fraction("774.4999"), 774),
            (Fraction("-774.4999"), -774),
            (Fraction("774.5001"), 775),
            (Fraction(1, 2), 1),
            (Fraction(-1, 2), -1),
            (Fraction(5, 2), 3),
            (Fraction(1, 3), 0),
            (Fraction(-1, 3), 0),
            (Fraction(0), 0),
        ],
    )
    def test_rounds_halves_away_from_zero(self, value: Fraction, rounded: int) -> None:
        assert round_half_up(value) == rounded

    @given(st.fractions())
    def test_is_the_nearest_whole_number(self, value: Fraction) -> None:
        rounded = round_half_up(value)
        assert abs(rounded - value) <= Fraction(1, 2)
        if abs(rounded - value) == Fraction(1, 2):
            assert abs(rounded) > abs(value)

    @given(st.fractions())
    def test_is_symmetric(self, value: Fraction) -> None:
        assert round_half_up(-value) == -round_half_up(value)

    @given(st.integers())
    def test_leaves_whole_numbers(self, value: int) -> None:
        assert round_half_up(Fraction(value)) == value


class TestExponent:
    @pytest.mark.parametrize(("currency", "digits"), [("JPY", 0), ("USD", 2), ("KWD", 3), ("CLF", 4), ("RSD", 2)])
    def test_is_that_of_the_minor_unit(self, currency: str, digits: int) -> None:
        assert exponent(currency) == digits

    def test_is_kept_for_a_withdrawn_currency(self) -> None:
        assert exponent("BGN") == 2

    @pytest.mark.skipif(not ISO_4217.exists(), reason="the shared data folder is not on this machine")
    def test_agrees_with_iso_4217_for_every_active_currency(self) -> None:
        with ISO_4217.open(encoding="utf-8", newline="") as file:
            active = {
                row["AlphabeticCode"]: row["MinorUnit"].strip()
                for row in csv.DictReader(file)
                if row["AlphabeticCode"] and not row["WithdrawalDate"]
            }
        assert len(active) == 178
        expected = {code: int(digits) for code, digits in active.items() if digits != "-"}
        assert {code: EXPONENTS.get(code) for code in expected} == expected
        assert [code for code, digits in active.items() if digits == "-" and code in EXPONENTS] == []


class TestFormat:
    @pytest.mark.parametrize(
        ("amount", "currency", "locale", "text"),
        [
            (1290, "USD", "en", "$12.90"),
            (1290, "EUR", "de", "12,90\xa0€"),
            (1290, "EUR", "de-at", "€\xa012,90"),
            (-1290, "CHF", "en", "-CHF12.90"),
            (1299, "JPY", "ja", "￥1,299"),
            (2755, "KWD", "en", "KWD2.755"),
            (2750, "KWD", "en", "KWD2.750"),
            (123456789, "BRL", "pt-br", "R$\xa01.234.567,89"),
            (0, "EUR", "en", "€0.00"),
        ],
    )
    def test_follows_the_locale(self, amount: int, currency: str, locale: str, text: str) -> None:
        assert money.format(Money(amount, currency), locale) == text

    def test_drops_a_minor_unit_that_custom_drops_only_when_it_is_zero(self) -> None:
        assert money.format(Money(129900, "RSD"), "en") == "RSD1,299"
        assert money.format(Money(129950, "RSD"), "en") == "RSD1,299.50"

    @given(amounts, currencies)
    def test_loses_no_digit(self, amount: int, currency: str) -> None:
        digits = "".join(sign for sign in money.format(Money(amount, currency), "en") if sign.isdecimal())
        kept = str(abs(amount))
        assert int(digits) in {int(kept), Fraction(int(kept), 10 ** exponent(currency))}

    def test_refuses_an_unknown_locale(self) -> None:
        with pytest.raises(UnknownLocaleError):
            money.format(Money(1, "EUR"), "xx")
