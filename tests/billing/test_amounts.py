"""Billing's arithmetic against the figures of the reference, and properties that hold for all amounts."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import amounts
from billing.amounts import Paid, Taxed


@pytest.mark.rule("4.1")
class TestTotals:
    def test_are_sums_of_rounded_lines(self) -> None:
        assert sum(amounts.with_tax(333, Fraction("0.07"), inclusive=False).tax for _ in range(3)) == 69
        assert amounts.with_tax(999, Fraction("0.07"), inclusive=False).tax == 70

    @pytest.mark.parametrize(("amount", "half"), [(1549, 775), (-1549, -775), (1548, 774), (-1548, -774)])
    def test_round_halves_up_on_the_magnitude(self, amount: int, half: int) -> None:
        assert amounts.share(amount, 1, 2) == half


@pytest.mark.rule("4.11")
class TestTax:
    @pytest.mark.parametrize(
        ("amount", "rate", "inclusive", "net", "tax"),
        [
            (1549, "0.08875", False, 1549, 137),
            (1399, "0.19", True, 1176, 223),
            (1590, "0.10", True, 1445, 145),
            (2750, "0.05", True, 2619, 131),
            (299, "0.04", True, 288, 11),
        ],
    )
    def test_rounds_the_net(self, amount: int, rate: str, *, inclusive: bool, net: int, tax: int) -> None:
        assert amounts.with_tax(amount, Fraction(rate), inclusive=inclusive) == Taxed(net, tax)

    @given(st.integers(1, 10**9), st.fractions(0, 1))
    def test_included_never_changes_what_is_paid(self, amount: int, rate: Fraction) -> None:
        taxed = amounts.with_tax(amount, rate, inclusive=True)
        assert taxed.gross == amount
        assert 0 <= taxed.net <= amount


@pytest.mark.rule("4.8")
class TestDiscount:
    def test_of_half_leaves_what_the_reference_says(self) -> None:
        assert 1549 - amounts.discount(1549, percent=Fraction(50)) == 774

    @given(st.integers(0, 10**9), st.integers(0, 10**9))
    def test_never_makes_an_amount_negative(self, amount: int, fixed: int) -> None:
        assert 0 <= amount - amounts.discount(amount, fixed=fixed) <= amount


def month(start: date, end: date, paid: int, credited: int = 0) -> Paid:
    return Paid(paid, start, end, credited)


@pytest.mark.rule("4.4")
class TestChange:
    @pytest.mark.parametrize(
        ("start", "end", "on", "old", "new", "credit", "debit", "net"),
        [
            (date(2026, 4, 1), date(2026, 5, 1), date(2026, 4, 16), 1549, 2299, -775, 1150, 375),
            (date(2026, 3, 10), date(2026, 4, 10), date(2026, 3, 20), 1549, 2299, -1049, 1557, 508),
            (date(2024, 2, 18), date(2024, 3, 18), date(2024, 2, 25), 10000, 30000, -7586, 22759, 15173),
            (date(2026, 4, 1), date(2026, 5, 1), date(2026, 4, 16), 1000, 2000, -500, 1000, 500),
        ],
    )
    def test_costs_what_the_reference_says(
        self, start: date, end: date, on: date, old: int, new: int, credit: int, debit: int, net: int
    ) -> None:
        change = amounts.change([month(start, end, old)], price=new, start=start, end=end, on=on)
        assert (change.credits, change.debit, change.net) == ((credit,), debit, net)

    def test_credits_no_more_than_was_paid_and_not_credited_yet(self) -> None:
        # 249.95 for May, 10 adjusted, then a switch to 9.95 on the 2nd.
        may = month(date(2026, 5, 1), date(2026, 6, 1), 24995, credited=1000)
        change = amounts.change([may], price=995, start=may.start, end=may.end, on=date(2026, 5, 2))
        assert (change.credits, change.debit, change.net) == ((-23995,), 963, -23032)

    @pytest.mark.rule("4.6")
    def test_in_mid_period_is_what_a_pause_at_its_end_avoids(self) -> None:
        # Paused on 4 March and resumed on 5 April, 249.95 would leave 8.86 of a credit that nobody asked for.
        repair = amounts.unused(month(date(2026, 3, 2), date(2026, 4, 2), 24995), on=date(2026, 3, 4))
        resumed = amounts.share(24995, 27, 30)
        assert (repair, resumed, repair - resumed) == (23382, 22496, 886)

    @pytest.mark.rule("4.2")
    @pytest.mark.parametrize(("part", "whole", "expected"), [(14, 28, 500), (17, 31, 548)])
    def test_of_a_stub_counts_its_days(self, part: int, whole: int, expected: int) -> None:
        assert amounts.share(1000, part, whole) == expected

    def test_credits_what_was_paid_and_not_the_list_price(self) -> None:
        assert amounts.unused(month(date(2026, 4, 1), date(2026, 5, 1), 774), on=date(2026, 4, 16)) == 387

    @pytest.mark.parametrize(
        ("amount", "part", "whole", "expected"),
        [
            (24995, 27, 30, 22496),
            (24995, 21, 31, 16932),
            (24995, 10, 31, 8063),
            (59995, 25, 31, 48383),
            (2995, 14, 28, 1498),
            (239995, 23, 365, 15123),
            (24995, 29, 31, 23382),
            # The same as decimals of nine digits.
            (10**9, 23, 31, 741_935_484),
            (10**9, 20, 28, 714_285_714),
            (10**9, 21, 29, 724_137_931),
        ],
    )
    def test_counts_whole_days(self, amount: int, part: int, whole: int, expected: int) -> None:
        assert amounts.share(amount, part, whole) == expected

    @pytest.mark.rule("4.23")
    @given(st.integers(1, 10**8), st.integers(1, 10**8), st.integers(0, 27), st.integers(28, 366))
    def test_and_its_reverse_on_the_same_day_come_to_nothing(self, old: int, new: int, day: int, days: int) -> None:
        start = date(2026, 1, 1)
        end, on = start + timedelta(days=days), start + timedelta(days=day)
        there = amounts.change([month(start, end, old)], price=new, start=start, end=end, on=on)
        stub = Paid(there.debit, on, end)
        back = amounts.change([stub], price=old, start=start, end=end, on=on)
        assert there.net + back.net == 0


@pytest.mark.rule("4.12")
class TestRefund:
    def test_that_is_the_last_takes_the_remainder(self) -> None:
        line = Taxed(1176, 223)
        first = amounts.refund_parts(line, refunded=Taxed(0, 0), amount=500)
        assert first == Taxed(420, 80)
        assert amounts.refund_parts(line, refunded=first, amount=899) == Taxed(756, 143)

    @given(st.integers(1, 10**6), st.integers(0, 10**6), st.data())
    def test_parts_never_exceed_the_line(self, net: int, tax: int, data: st.DataObject) -> None:
        line, refunded = Taxed(net, tax), Taxed(0, 0)
        while refunded.gross < line.gross:
            left = line.gross - refunded.gross
            amount = data.draw(st.integers(min(max(1, line.gross // 5), left), left))
            part = amounts.refund_parts(line, refunded=refunded, amount=amount)
            assert part.gross == amount
            refunded = Taxed(refunded.net + part.net, refunded.tax + part.tax)
        assert refunded == line

    @pytest.mark.rule("4.11")
    @pytest.mark.parametrize(
        ("net", "tax", "expected"), [(20000, 5000, (19333, 4833, 24166)), (16000, 4000, (15467, 3867, 19334))]
    )
    def test_of_unused_days_rounds_net_and_tax_apart(self, net: int, tax: int, expected: tuple[int, int, int]) -> None:
        parts = amounts.unused_parts(Taxed(net, tax), remaining=29, days=30)
        assert (parts.net, parts.tax, parts.gross) == expected


@pytest.mark.rule("4.1")
class TestMinimum:
    @pytest.mark.parametrize(
        ("amount", "currency", "expected"),
        [(49, "USD", True), (50, "USD", False), (0, "USD", False), (49, "JPY", True), (50, "JPY", False)],
    )
    def test_is_the_gateways(self, amount: int, currency: str, *, expected: bool) -> None:
        assert amounts.below_minimum(amount, currency) is expected
