"""The reference's worked figures, and what must hold for every date and zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import rules
from billing.rules import Access, Anchor, DeclineClass, Interval, Status, Step

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
T0 = datetime(2026, 3, 10, 10, 0, tzinfo=UTC)


def dates(anchor: str, interval: Interval, count: int) -> list[str]:
    return [
        rules.boundary_date(date.fromisoformat(anchor), interval, index).isoformat() for index in range(1, count + 1)
    ]


@pytest.mark.rule("4.2")
class TestBoundaryDate:
    @pytest.mark.story("day 31 stops billing or moves")
    def test_keeps_day_31_through_short_months(self) -> None:
        assert dates("2023-01-31", Interval.MONTH, 4) == ["2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31"]

    def test_ends_february_on_the_29th_in_a_leap_year(self) -> None:
        assert dates("2024-01-31", Interval.MONTH, 2) == ["2024-02-29", "2024-03-31"]

    def test_keeps_day_30_through_february(self) -> None:
        assert dates("2025-01-30", Interval.MONTH, 2) == ["2025-02-28", "2025-03-30"]

    def test_returns_to_the_leap_day_every_fourth_year(self) -> None:
        assert dates("2024-02-29", Interval.YEAR, 4) == ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]

    @pytest.mark.parametrize(
        ("anchor", "start", "following"),
        [
            ("2012-01-30", "2012-02-16", "2012-02-29"),
            ("2012-03-31", "2012-04-30", "2012-05-31"),
            ("2012-01-30", "2012-01-31", "2012-02-29"),
        ],
    )
    def test_agrees_with_the_published_cases_of_kill_bill(self, anchor: str, start: str, following: str) -> None:
        assert next(day for day in dates(anchor, Interval.MONTH, 12) if day > start) == following

    @given(anchor=st.dates(date(1990, 1, 1), date(2090, 12, 31)), index=st.integers(0, 240))
    def test_falls_on_the_anchors_day_or_the_months_last(self, anchor: date, index: int) -> None:
        boundary = rules.boundary_date(anchor, Interval.MONTH, index)
        months = (boundary.year - anchor.year) * 12 + boundary.month - anchor.month
        assert months == index
        assert boundary.day == anchor.day or (
            boundary.day < anchor.day and (boundary + timedelta(days=1)).month != boundary.month
        )


@pytest.mark.rule("4.3")
class TestInstant:
    @pytest.mark.story("clock change bills twice, a stub or for ever")
    @pytest.mark.parametrize(
        ("local", "zone", "instant"),
        [
            # skipped by the clocks: moved on by the gap
            ("2026-03-08T02:30", "America/New_York", "2026-03-08T07:30+00:00"),
            # shown twice: the first time
            ("2026-11-01T01:30", "America/New_York", "2026-11-01T05:30+00:00"),
            # a midnight that did not exist
            ("2018-11-04T00:00", "America/Sao_Paulo", "2018-11-04T03:00+00:00"),
        ],
    )
    def test_of_a_wall_time_is_exact_where_clocks_change(self, local: str, zone: str, instant: str) -> None:
        wall = datetime.fromisoformat(local)
        assert rules.to_instant(wall.date(), wall.time(), ZoneInfo(zone)) == datetime.fromisoformat(instant)

    def test_of_the_repeated_hour_is_the_same_for_both_folds(self) -> None:
        zone = ZoneInfo("America/New_York")
        assert rules.to_instant(date(2026, 11, 1), time(1, 30, fold=1), zone) == datetime(
            2026, 11, 1, 5, 30, tzinfo=UTC
        )


@pytest.mark.rule("4.2", "4.3")
class TestAnchor:
    def test_is_the_local_date_and_not_the_utc_one(self) -> None:
        anchor = Anchor.at(datetime(2026, 2, 1, 4, 30, tzinfo=UTC), ZoneInfo("America/Los_Angeles"), Interval.MONTH)
        assert (anchor.date, anchor.time) == (date(2026, 1, 31), time(20, 30))

    @pytest.mark.story("clock change bills twice, a stub or for ever")
    def test_keeps_its_local_day_through_two_winters(self) -> None:
        zone = ZoneInfo("Europe/Berlin")
        anchor = Anchor.at(datetime(2025, 9, 15, 22, 30, tzinfo=UTC), zone, Interval.MONTH)
        local = [anchor.boundary(index).astimezone(zone) for index in range(19)]
        assert {(moment.day, moment.time()) for moment in local} == {(16, time(0, 30))}
        assert [moment.utcoffset() for moment in local].count(timedelta(hours=1)) == 10

    @pytest.mark.rule("4.23")
    @given(
        moment=st.integers(631_152_000, 2_840_140_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
        zone=st.sampled_from(ZONES),
        interval=st.sampled_from(Interval),
    )
    def test_makes_periods_that_tile_the_time_from_the_signup_on(
        self, moment: datetime, zone: str, interval: Interval
    ) -> None:
        anchor = Anchor.at(moment, ZoneInfo(zone), interval)
        boundaries = [anchor.boundary(index) for index in range(26)]
        assert all(start < end for start, end in pairwise(boundaries))
        # At most the hour that the clocks repeat, or a day that a zone once skipped, lies between.
        assert abs(boundaries[0] - moment) <= timedelta(days=1)


@pytest.mark.rule("4.14")
class TestTransitions:
    def test_are_those_of_the_table(self) -> None:
        steps = {
            (current, following) for current in Status for following in Status if rules.may_become(current, following)
        }
        assert steps == {
            ("incomplete", "trialing"),
            ("incomplete", "active"),
            ("incomplete", "ended"),
            ("trialing", "active"),
            ("trialing", "on_hold"),
            ("trialing", "paused"),
            ("trialing", "canceled"),
            ("active", "past_due"),
            ("active", "paused"),
            ("active", "canceled"),
            ("past_due", "active"),
            ("past_due", "on_hold"),
            ("past_due", "canceled"),
            ("on_hold", "active"),
            ("on_hold", "canceled"),
            ("paused", "active"),
            ("paused", "on_hold"),
            ("paused", "canceled"),
        }

    def test_leave_the_dead_dead(self) -> None:
        assert set(Status) - rules.LIVE == {Status.CANCELED, Status.ENDED}


@pytest.mark.rule("4.14")
class TestDeclineClass:
    @pytest.mark.parametrize(
        "code",
        [
            "lost_card",
            "stolen_card",
            "pickup_card",
            "incorrect_number",
            "revocation_of_authorization",
            "do_not_try_again",
        ],
    )
    def test_is_hard_for_cards_that_will_not_work_again(self, code: str) -> None:
        assert rules.decline_class(code) is DeclineClass.HARD

    @pytest.mark.parametrize(
        "code", ["insufficient_funds", "generic_decline", "processing_error", "expired_card", "new"]
    )
    def test_is_soft_for_what_may_work_later_and_for_unknown_codes(self, code: str) -> None:
        assert rules.decline_class(code) is DeclineClass.SOFT

    def test_is_authentication_when_only_the_customer_can_complete_it(self) -> None:
        assert rules.decline_class("authentication_required") is DeclineClass.AUTHENTICATION


@pytest.mark.rule("4.14")
class TestRetries:
    def test_fall_on_the_days_of_the_schedule_then_end_on_hold(self) -> None:
        now, tries, days = T0, 1, [0]
        while True:
            step, at = rules.after_failure(first_failed_at=T0, tries=tries, declined=DeclineClass.SOFT, now=now)
            if step is not Step.RETRY:
                break
            days.append((at - T0).days)
            now, tries = at, tries + 1
        assert days == [0, 1, 3, 5, 7, 10, 14]
        assert (step, at) == (Step.HOLD, T0 + timedelta(days=14))

    @pytest.mark.parametrize("declined", [DeclineClass.HARD, DeclineClass.AUTHENTICATION])
    def test_are_none_where_a_retry_cannot_help(self, declined: DeclineClass) -> None:
        answer = rules.after_failure(first_failed_at=T0, tries=1, declined=declined, now=T0)
        assert answer == (Step.HOLD, T0 + timedelta(days=14))

    def test_end_thirty_days_after_the_first_decline(self) -> None:
        assert rules.after_hold(first_failed_at=T0) == (Step.CANCEL, T0 + timedelta(days=30))

    @pytest.mark.rule("4.23")
    @pytest.mark.story("declined card hit every hour")
    @given(late=st.timedeltas(timedelta(0), timedelta(days=60)), tries=st.integers(1, 6))
    def test_are_never_two_within_a_day_however_late_we_are(self, late: timedelta, tries: int) -> None:
        now = T0 + late
        _, at = rules.after_failure(first_failed_at=T0, tries=tries, declined=DeclineClass.SOFT, now=now)
        assert at >= now + timedelta(days=1)


@pytest.mark.rule("4.20")
class TestAfterPayment:
    def test_bills_next_at_the_boundary(self) -> None:
        boundary = T0 + timedelta(days=30)
        assert rules.after_payment(paid_through=boundary, now=T0) == (Step.RENEW, boundary)

    @pytest.mark.rule("4.21")
    def test_charges_missed_periods_a_day_apart(self) -> None:
        assert rules.after_payment(paid_through=T0 - timedelta(days=40), now=T0) == (Step.RENEW, T0 + timedelta(days=1))


@pytest.mark.rule("4.22")
class TestBounds:
    @staticmethod
    def broken(
        *,
        amount: int = 1549,
        days: int = 31,
        charged: timedelta | None = timedelta(days=31),
        invoices_today: int = 0,
    ) -> str:
        return rules.bound_broken(
            amount=amount,
            list_price=1549,
            period_start=T0,
            period_end=T0 + timedelta(days=days),
            last_charged_at=T0 - charged if charged is not None else None,
            invoices_today=invoices_today,
            now=T0,
        )

    def test_let_a_right_renewal_pass(self) -> None:
        assert self.broken() == ""
        assert self.broken(days=366) == ""
        assert self.broken(charged=None) == ""

    def test_stop_a_second_charge_within_twenty_hours(self) -> None:
        assert self.broken(charged=timedelta(hours=19, minutes=59)) == "second_charge_within_20_hours"
        assert self.broken(charged=timedelta(hours=20)) == ""

    def test_stop_more_than_three_times_the_list_price(self) -> None:
        assert self.broken(amount=3 * 1549) == ""
        assert self.broken(amount=3 * 1549 + 1) == "amount_above_3x_list_price"

    def test_stop_a_third_invoice_in_a_day(self) -> None:
        assert self.broken(invoices_today=1) == ""
        assert self.broken(invoices_today=2) == "more_than_2_invoices_a_day"

    def test_stop_a_period_of_more_than_thirteen_months_or_none(self) -> None:
        assert self.broken(days=404) == "period_beyond_13_months"
        assert self.broken(days=0) == "period_beyond_13_months"


@pytest.mark.rule("4.21")
class TestAccess:
    @staticmethod
    def answer(
        status: Status,
        *,
        after: timedelta,
        paid_through: datetime | None = T0,
        cancel_at: datetime | None = None,
        first_failed_at: datetime | None = None,
    ) -> tuple[Access, datetime | None]:
        return rules.access(
            status=status,
            paid_through=paid_through,
            cancel_at=cancel_at,
            first_failed_at=first_failed_at,
            now=T0 + after,
        )

    def test_lasts_until_what_is_paid_for_ends(self) -> None:
        assert self.answer(Status.ACTIVE, after=timedelta(seconds=-1)) == (Access.SUBSCRIBED, T0)

    def test_goes_on_for_72_hours_when_our_charge_is_late(self) -> None:
        limit = T0 + timedelta(hours=72)
        assert self.answer(Status.ACTIVE, after=timedelta(0)) == (Access.RENEWAL_PENDING, limit)
        assert self.answer(Status.ACTIVE, after=timedelta(hours=72)) == (Access.NONE, None)

    def test_ends_at_once_where_a_cancellation_takes_effect(self) -> None:
        assert self.answer(Status.ACTIVE, after=timedelta(0), cancel_at=T0) == (Access.NONE, None)

    @pytest.mark.rule("4.14")
    def test_is_grace_for_fourteen_days_after_a_decline(self) -> None:
        until = T0 + timedelta(days=14)
        assert self.answer(Status.PAST_DUE, after=timedelta(days=13), first_failed_at=T0) == (Access.GRACE, until)
        assert self.answer(Status.PAST_DUE, after=timedelta(days=14), first_failed_at=T0) == (Access.ON_HOLD, None)

    def test_is_none_before_the_first_payment_on_hold_and_afterwards(self) -> None:
        early = timedelta(days=-1)
        assert self.answer(Status.INCOMPLETE, after=early, paid_through=None) == (Access.NONE, None)
        assert self.answer(Status.ON_HOLD, after=early, first_failed_at=T0) == (Access.ON_HOLD, None)
        assert self.answer(Status.CANCELED, after=early) == (Access.NONE, None)
        assert self.answer(Status.PAUSED, after=early) == (Access.NONE, None)


class TestOffered:
    class Price:
        def __init__(self, country: str, currency: str) -> None:
            self.country, self.currency = country, currency

        def __repr__(self) -> str:
            return f"{self.country}/{self.currency}"

    EUR, USD, GBP, CH, DE = Price("", "EUR"), Price("", "USD"), Price("", "GBP"), Price("CH", "EUR"), Price("DE", "EUR")
    ALL = (EUR, USD, GBP, CH, DE)

    @pytest.mark.parametrize(
        ("country", "currency", "expected"),
        [
            ("DE", "EUR", [DE]),
            ("FR", "EUR", [EUR]),
            ("GB", "GBP", [GBP]),
            ("CH", "CHF", [CH]),
            ("BR", "BRL", [USD]),
            ("", "", [USD]),
        ],
    )
    def test_are_of_the_country_then_of_its_currency_then_the_fallback(
        self, country: str, currency: str, expected: list[Price]
    ) -> None:
        assert rules.offered(self.ALL, country=country, currency=currency, fallback="USD") == expected

    def test_are_none_where_nothing_fits(self) -> None:
        assert rules.offered([self.CH], country="FR", currency="EUR", fallback="USD") == []
