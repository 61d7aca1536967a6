"""Turning deferred revenue into revenue, a day at a time and set-wise."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max, Min

from billing import amounts
from billing.models import Invoice, RecognisedDay, RevenueSchedule

ENTITY = "main"
SETTLES_WITHIN = timedelta(hours=3)
"""How long after midnight a transaction of the day before may still commit."""

# What of an amount is earned at the end of its day number k, counted from 0: rounded half up on the magnitude,
# from the sum and not from the day before, so that all days together make exactly the amount.
_EARNED = """sign(s.amount) * div(2 * abs(s.amount) * {days} + (s."end" - s.start), 2 * (s."end" - s.start))"""
_THROUGH = _EARNED.format(days="""least(greatest(%(day)s + 1 - s.start, 0), s."end" - s.start)""")
_BEFORE = _EARNED.format(days="""least(greatest(%(day)s - s.start, 0), s."end" - s.start)""")

_RECOGNISE = f"""
WITH earned AS (
    SELECT s.currency, plan.code AS plan, s.country,
        sum({_THROUGH} - CASE WHEN s.first_day = %(day)s THEN 0 ELSE {_BEFORE} END)::bigint AS amount
    FROM billing_revenueschedule s JOIN billing_plan plan ON plan.id = s.plan_id
    WHERE s.first_day <= %(day)s AND (s."end" > %(day)s OR s.first_day = %(day)s)
    GROUP BY s.currency, plan.code, s.country
), made AS (
    INSERT INTO billing_journalentry (source_key, kind, currency, booked_at, reference)
    SELECT concat_ws(':', 'recognition', %(entity)s, currency, plan, country, %(day)s), 'recognition',
        currency, %(now)s, ''
    FROM earned WHERE amount <> 0
    RETURNING id, source_key
), lines AS (
    INSERT INTO billing_journalline (entry_id, account, country, amount)
    SELECT made.id, side.account, '', side.amount
    FROM made JOIN earned
        ON made.source_key = concat_ws(':', 'recognition', %(entity)s, currency, plan, country, %(day)s),
    LATERAL (VALUES ('deferred_revenue', earned.amount), ('revenue', -earned.amount)) AS side (account, amount)
)
SELECT count(*) FROM made
"""  # noqa: S608 - put together from constants of this file


def recognise_due(*, now: datetime) -> list[date]:
    """Book the revenue of all days that are over and not booked yet, in order; answers them."""
    last = (now - SETTLES_WITHIN).astimezone(UTC).date() - timedelta(days=1)
    first = RecognisedDay.objects.aggregate(day=Max("day"))["day"]
    first = first + timedelta(days=1) if first else RevenueSchedule.objects.aggregate(day=Min("first_day"))["day"]
    if first is None:
        return []
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    for day in days:
        recognise(day=day, now=now)
    return days


@transaction.atomic
def recognise(*, day: date, now: datetime) -> None:
    """Book one day's revenue: an entry for each currency, plan and country. A day that is booked stays as it is."""
    _, new = RecognisedDay.objects.get_or_create(day=day, defaults={"closed_at": now})
    if new:
        with connection.cursor() as cursor:
            cursor.execute(_RECOGNISE, {"day": day, "now": now, "entity": ENTITY})


def give_up(*, source_key: str, invoice: Invoice, amount: int, now: datetime) -> int:
    """Take up to `amount` (net) of an invoice's revenue back that is not earned yet; answers how much it was.

    Both are negative for an invoice that had given revenue up for credit. The rest was earned already, and the
    caller books it as given back. In the caller's transaction.
    """
    last = RecognisedDay.objects.aggregate(day=Max("day"))["day"]
    today = now.astimezone(UTC).date()
    day = max(today, last + timedelta(days=1)) if last else today
    schedules = list(RevenueSchedule.objects.filter(line__invoice=invoice).order_by("pk"))
    running = [schedule for schedule in schedules if schedule.end > day]
    unearned = sum(schedule.amount - earned_before(schedule, day) for schedule in running)
    given_up = max(0, min(amount, unearned)) if amount > 0 else min(0, max(amount, unearned))
    if given_up:
        first = running[0]
        RevenueSchedule.objects.create(
            source_key=source_key,
            line_id=first.line_id,
            plan_id=first.plan_id,
            country=first.country,
            currency=first.currency,
            amount=-given_up,
            start=max(day, first.start),
            end=first.end,
            first_day=max(day, first.start),
        )
    return given_up


def earned_before(schedule: RevenueSchedule, day: date) -> int:
    """Answer how much of a schedule is revenue before a day begins."""
    whole = (schedule.end - schedule.start).days
    days = min(max((day - schedule.start).days, 0), whole)
    return amounts.share(schedule.amount, days, whole)
