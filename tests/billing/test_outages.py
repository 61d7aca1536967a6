"""Catching up: what is billed, what is given away, and from where billing goes on."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from billing import rules
from billing.models import Invoice, Outage, Period, Subscription, SubscriptionTransition
from billing.rules import Anchor, CatchUp, Interval, Stretch
from billing.services import outages, renewals
from tests.billing.instant import InstantGateway
from tests.factories.accounts import StaffFactory
from tests.factories.billing import PriceFactory, make_due

pytestmark = pytest.mark.rule("4.21")

DUE = datetime(2026, 1, 31, 10, 30, tzinfo=UTC)
ANCHOR = Anchor(date(2025, 12, 31), time(10, 30), ZoneInfo("UTC"), Interval.MONTH)


def at(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 10, 30, tzinfo=UTC)


def plan(*without_service: Stretch, now: datetime) -> list[tuple[str, datetime, datetime]]:
    steps = rules.catch_up(anchor=ANCHOR, index=1, start=DUE, without_service=without_service, now=now)
    return [(step.action.value, step.start, step.end) for step in steps]


class TestPolicy:
    def test_bills_each_missed_period_oldest_first(self) -> None:
        assert plan(now=at(4, 2)) == [
            ("bill", at(1, 31), at(2, 28)),
            ("bill", at(2, 28), at(3, 31)),
            ("bill", at(3, 31), at(4, 30)),
        ]

    @pytest.mark.story("catch-up bills months nobody could use")
    def test_forgives_up_to_the_end_of_the_outage_and_counts_from_there(self) -> None:
        assert plan(Stretch(at(2, 10), at(3, 5)), now=at(4, 10)) == [
            ("forgive", at(1, 31), at(3, 5)),
            ("re_anchor", at(3, 5), at(4, 5)),
            ("bill", at(3, 5), at(4, 5)),
            ("bill", at(4, 5), at(5, 5)),
        ]

    def test_bills_the_present_period_whatever_happened_in_it(self) -> None:
        assert plan(Stretch(at(2, 1), at(2, 5)), now=at(2, 6)) == [("bill", at(1, 31), at(2, 28))]

    def test_takes_no_short_interruption_for_an_outage(self) -> None:
        short = Stretch(at(2, 10), at(2, 10) + timedelta(hours=23))
        assert plan(short, now=at(3, 1))[0] == ("bill", at(1, 31), at(2, 28))

    @given(
        late=st.integers(0, 400),
        stretches=st.lists(st.tuples(st.integers(-40, 400), st.integers(1, 90)), max_size=4),
    )
    @pytest.mark.rule("4.23")
    def test_covers_all_time_once_and_bills_only_where_service_was(
        self, late: int, stretches: list[tuple[int, int]]
    ) -> None:
        now = DUE + timedelta(days=late)
        without = [
            Stretch(begin := DUE + timedelta(days=start), begin + timedelta(days=days)) for start, days in stretches
        ]
        steps = list(rules.catch_up(anchor=ANCHOR, index=1, start=DUE, without_service=without, now=now))
        told = [step for step in steps if step.action is not CatchUp.RE_ANCHOR]
        assert told[0].start == DUE
        assert all(before.end == after.start for before, after in pairwise(told))
        assert told[-1].end > now
        for step in told:
            if step.action is CatchUp.BILL and step.end <= now:
                assert all(
                    min(step.end, each.end) - max(step.start, each.start) < rules.FORGIVEN_FROM for each in without
                )


@pytest.mark.django_db
class TestCatchUp:
    def _run(self, now: datetime) -> list[tuple[datetime | None, datetime | None]]:
        handled = renewals.run(gateway=InstantGateway(), clock=lambda: now, limit=10)
        return [(each.period_start, each.period_end) for each in handled]

    def _outage(self, starts_at: datetime, ends_at: datetime | None, country: str = "") -> Outage:
        return outages.record(
            starts_at=starts_at, ends_at=ends_at, country=country, reason="storage", by="staff:1", now=starts_at
        )

    @pytest.mark.story("catch-up bills months nobody could use")
    def test_gives_the_outage_away_and_charges_a_day_apart(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=DUE)
        self._outage(at(2, 10), at(3, 5))
        assert self._run(at(4, 10)) == [(at(3, 5), at(4, 5))]
        assert self._run(at(4, 10) + timedelta(hours=23)) == []
        assert self._run(at(4, 11)) == [(at(4, 5), at(5, 5))]
        assert self._run(at(5, 4)) == []
        assert self._run(at(5, 5)) == [(at(5, 5), at(6, 5))]
        subscription.refresh_from_db()
        assert (subscription.cycle, subscription.anchor_date) == (1, date(2026, 3, 5))
        assert Invoice.objects.count() == Period.objects.filter(cycle=1).count() == 3
        assert list(SubscriptionTransition.objects.values_list("by", "reason")) == [
            ("system", "forgiven: 2026-01-31 to 2026-03-05")
        ]

    def test_is_of_the_country_where_it_was(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=DUE)
        self._outage(at(2, 10), at(3, 5), country="DE")
        assert self._run(at(3, 10)) == [(at(1, 31), at(2, 28))]

    def test_waits_while_the_service_is_away(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=DUE)
        outage = self._outage(at(1, 30), None)
        assert self._run(at(1, 31)) == [(None, None)]
        assert Invoice.objects.count() == 0
        outages.record(
            starts_at=outage.starts_at,
            ends_at=at(2, 2),
            country="",
            reason="storage",
            by="staff:1",
            now=at(2, 2),
            outage_id=outage.pk,
        )
        assert self._run(at(2, 2)) == [(at(1, 31), at(2, 28))]

    def test_does_not_charge_for_the_time_on_hold(self) -> None:
        (subscription,) = make_due(1, price=PriceFactory.create(), due_at=DUE)
        for before, after, moment in (("past_due", "on_hold", at(2, 14)), ("on_hold", "active", at(4, 3))):
            SubscriptionTransition.objects.create(
                subscription=subscription, from_status=before, to_status=after, at=moment, by="system", reason="test"
            )
        assert self._run(at(4, 4)) == [(at(4, 3), at(5, 3))]

    def test_is_shown_before_it_is_done(self) -> None:
        make_due(1, price=PriceFactory.create(), due_at=DUE)
        self._outage(at(2, 10), at(3, 5))
        said = StringIO()
        call_command("bill", catch_up=True, as_of="2026-04-10T10:30+00:00", stdout=said)
        *rows, counts, end = said.getvalue().splitlines()
        assert [row.split("  ", 1)[1].strip() for row in rows] == [
            "forgive    2026-01-31 to 2026-03-05",
            "re_anchor  2026-03-05 to 2026-04-05",
            "bill       2026-03-05 to 2026-04-05  15.49 USD on 2026-04-10",
            "bill       2026-04-05 to 2026-05-05  15.49 USD on 2026-04-11",
        ]
        assert (counts, end) == ("bill 2, forgive 1, re_anchor 1", "Nothing was changed.")
        assert (Invoice.objects.count(), Subscription.objects.get().cycle) == (0, 0)

    @pytest.mark.parametrize("planned", ["pause", "year"])
    def test_names_what_is_billed_where_a_pause_ends_or_the_interval_changes(self, planned: str) -> None:
        price = PriceFactory.create()
        make_due(1, price=price, due_at=DUE)
        if planned == "pause":
            resumed = {"status": "paused", "next_step": "resume", "resume_at": at(3, 31), "next_bill_at": at(3, 31)}
            Subscription.objects.update(**resumed)
        else:
            yearly = PriceFactory.create(plan=price.plan, interval="year", amount=15490)
            Subscription.objects.update(pending_price=yearly)
        late = at(4, 2).replace(microsecond=123)
        (named,) = renewals.catch_up_report(now=late, limit=9)
        assert self._run(late) == [(named.start, named.end)]
        assert named.start.microsecond == 0
        assert Invoice.objects.get().total == named.amount


@pytest.mark.django_db
class TestOutage:
    @pytest.mark.parametrize(
        ("fields", "constraint"),
        [
            ({"ends_at": at(1, 1)}, "outage_not_empty"),
            ({"country": "de"}, "outage_country_is_iso"),
            ({"reason": ""}, "outage_says_why_and_who"),
        ],
    )
    def test_cannot_contradict_itself(self, fields: dict[str, object], constraint: str) -> None:
        said = {"starts_at": at(1, 2), "reason": "storage", "by": "staff:1", "created_at": at(1, 2)}
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            Outage.objects.create(**said | fields)

    def test_is_entered_by_staff_who_are_named(self) -> None:
        staff, client = StaffFactory.create(is_superuser=True), Client()
        client.force_login(staff)
        form = {"starts_at_0": "2026-02-10", "starts_at_1": "10:30", "country": "de", "reason": "storage"}
        ended = {"ends_at_0": "2026-02-09", "ends_at_1": "10:30"}
        refused = client.post(reverse("admin:billing_outage_add"), form | ended)
        assert (refused.status_code, Outage.objects.count()) == (200, 0)
        assert client.post(reverse("admin:billing_outage_add"), form).status_code == 302
        outage = Outage.objects.get()
        assert (outage.country, outage.by, outage.ends_at) == ("DE", f"staff:{staff.pk}", None)
        change = reverse("admin:billing_outage_change", args=[outage.pk])
        assert client.post(change, form | {"ends_at_0": "2026-02-12", "ends_at_1": "10:30"}).status_code == 302
        assert Outage.objects.get().ends_at == at(2, 12)
        assert client.post(reverse("admin:billing_outage_delete", args=[outage.pk]), {"post": "yes"}).status_code == 403
