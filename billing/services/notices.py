"""Telling subscribers in time of what will cost them another amount: new prices, ends of trials, yearly renewals.

Each run takes batches of those who have not been told, so that a run that was killed goes on where it stopped and two
runs at once tell each of them once. What was told is a row; a new price is billed on the strength of that row alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from itertools import count
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from billing import rules
from billing.amounts import Tender
from billing.models import ConsumerLaw, Price, PriceNotice, Reminder, Subscription
from billing.rules import Status
from billing.selectors import whereabouts
from billing.selectors.consumers import Laws
from billing.services import forecasts, invoicing, letters, plans, setbacks
from billing.services.invoicing import Charge, Forecast
from billing.services.letters import Letter
from billing.services.setbacks import Sweep
from core import sweeping
from core.money import Money

BATCH = 500
LEAD = timedelta(days=7)
"""How much earlier than needed notices of a new price begin to be sent: there may be millions."""

Kind = Reminder.Kind


def announce_prices(*, now: datetime, limit: int) -> int:
    """Send notices of new versions to subscribers of earlier ones, when their time has come; answers how many."""
    told = 0
    today = now.date()
    law_asks = max(ConsumerLaw.objects.values_list("price_notice_days", flat=True), default=0)
    for price in Price.objects.current().filter(applies_to_existing_from__isnull=False).select_related("plan"):
        notice = timedelta(days=max(price.notice_days, law_asks))
        if price.applies_to_existing_from and today >= price.applies_to_existing_from - notice - LEAD:
            to_tell = to_be_told(price).select_related("price")
            told += _in_batches(Sweep.PRICE_NOTICES, to_tell, partial(_announce, price, now=now), limit - told, now=now)
    return told


def remind(*, now: datetime, limit: int) -> int:
    """Send reminders of trials and introductory prices that end and of years about to be renewed; answers how many."""
    reminded = 0
    for kind in Kind:
        due = _to_remind(kind, now=now).select_related("price__plan", "pending_price__plan").order_by("pk")
        reminded += _in_batches(Sweep.REMINDERS, due, partial(_remind, kind, now=now), limit - reminded, now=now)
    return reminded


def to_be_told(price: Price) -> QuerySet[Subscription]:
    """Answer the subscribers of earlier versions of a price who have had no notice of it, by key.

    Whoever leaves, or moves to another price, is told when they stay after all.
    """
    return (
        Subscription.objects.live()
        .exclude(status=Status.INCOMPLETE)
        .filter(
            ~Exists(PriceNotice.objects.filter(subscription=OuterRef("pk"), price=price)),
            price__plan=price.plan_id,
            price__currency=price.currency,
            price__country=price.country,
            price__interval=price.interval,
            price__version__lt=price.version,
            cancel_at=None,
            pending_price=None,
        )
        .order_by("pk")
    )


Subscriptions = QuerySet[Subscription]


def _in_batches(
    sweep: Sweep, waiting: Subscriptions, tell: Callable[[Subscriptions], int], limit: int, *, now: datetime
) -> int:
    """Tell those who wait, a batch at a time; who cannot be told is set aside. Answers how many were told."""
    done, found = 0, 1
    while found and done < limit:
        batch = setbacks.without(sweep, waiting, now=now)[: min(BATCH, limit - done)]
        told, found = sweeping.together_or_apart(
            sweep, partial(_together, tell, batch), partial(_apart, sweep, tell, waiting, batch, now=now)
        )
        done += told
    return done


def _together(tell: Callable[[Subscriptions], int], batch: Subscriptions) -> tuple[int, int]:
    told = tell(batch)
    return told, told


def _apart(
    sweep: Sweep, tell: Callable[[Subscriptions], int], waiting: Subscriptions, batch: Subscriptions, *, now: datetime
) -> tuple[int, int]:
    keys = list(batch.values_list("pk", flat=True))
    handled = setbacks.each(sweep, keys, lambda key: tell(waiting.filter(pk=key)), now=now)
    # Whom another run holds is met again, and would be for as long as it does.
    return sum(handled), sum(handled) + len(keys) - len(handled)


@transaction.atomic
def _announce(price: Price, waiting: Subscriptions, *, now: datetime) -> int:
    # Locked, so that two runs at once tell different ones.
    found = list(waiting.select_for_update(of=("self",), skip_locked=True))
    found = _not_told(found, PriceNotice.objects.filter(price=price))
    if not found:
        return 0
    laws = Laws({subscription.country for subscription in found})
    notices, told = [], []
    for subscription in found:
        zone = ZoneInfo(subscription.billing_tz)
        earliest = rules.new_price_from(
            applies_from=price.applies_to_existing_from or now.date(),
            told_on=now.astimezone(zone).date(),
            notice_days=max(price.notice_days, laws.of(subscription.country).price_notice_days),
        )
        notices.append(PriceNotice(subscription=subscription, price=price, sent_at=now, earliest_on=earliest))
        told.append(
            Letter(
                "price_change",
                subscription,
                {
                    "plan": price.plan.name,
                    "old_amount": Money(subscription.price.amount, price.currency),
                    "new_amount": Money(price.amount, price.currency),
                    "interval": price.interval,
                    "first_bill": first_bill(subscription, earliest),
                },
            )
        )
    PriceNotice.objects.bulk_create(notices)
    letters.write(told, now=now)
    return len(found)


def _not_told(found: Sequence[Subscription], told: QuerySet[PriceNotice] | QuerySet[Reminder]) -> list[Subscription]:
    """Answer those of locked subscriptions that nobody told: another run may have, between our look and our lock."""
    already = set(told.filter(subscription__in=found).values_list("subscription_id", flat=True))
    return [subscription for subscription in found if subscription.pk not in already]


def first_bill(subscription: Subscription, earliest: date) -> date:
    """Answer the local date of the first boundary on or after a day."""
    zone = ZoneInfo(subscription.billing_tz)
    due = subscription.resume_at if subscription.status == Status.PAUSED else subscription.paid_through
    first = due.astimezone(zone).date() if due else earliest
    if subscription.status == Status.PAUSED:
        anchor, index = first, 0
    else:
        anchor, index = subscription.anchor_date, subscription.period_index
    interval = rules.Interval(subscription.price.interval)
    return next(
        day
        for day in (rules.boundary_date(anchor, interval, index + n) for n in count())
        if day >= max(earliest, first)
    )


# ---------------------------------------------------------------- reminders


@transaction.atomic
def _remind(kind: Kind, due: Subscriptions, *, now: datetime) -> int:
    found = list(due.select_for_update(of=("self",), skip_locked=True))
    found = _not_told(found, Reminder.objects.filter(kind=kind, boundary=F("subscription__paid_through")))
    if not found:
        return 0
    noticed = plans.noticed_prices([each for each in found if each.price.superseded_at is not None])
    moves = whereabouts.moves(found)
    charges = [forecasts.next_charge(subscription, noticed, now=now, moves=moves) for subscription in found]
    Reminder.objects.bulk_create(
        Reminder(subscription=charge.subscription, kind=kind, boundary=charge.start, sent_at=now) for charge in charges
    )
    foreseen = invoicing.forecast(charges)
    tenders = forecasts.tenders(charges, foreseen, now=now)
    told = [_reminder(kind, *each) for each in zip(charges, foreseen, tenders, strict=True)]
    letters.write(told, now=now)
    return len(found)


def _reminder(kind: Kind, charge: Charge, forecast: Forecast, tender: Tender) -> Letter:
    """Say what a period costs, and what is charged where credit or debts make that another amount."""
    currency = charge.price.currency
    values: dict[str, Money | datetime | date | str | int] = {
        "plan": charge.price.plan.name,
        "amount": Money(forecast.total, currency),
        "interval": charge.price.interval,
        "on": charge.start,
    }
    if tender.due != forecast.total:
        values["due"] = Money(tender.due, currency)
    return Letter(kind, charge.subscription, values)


def _to_remind(kind: Kind, *, now: datetime) -> QuerySet[Subscription]:
    """Answer those whose next charge is so near that the law of their country has them reminded, and were not."""
    reminded = Reminder.objects.filter(subscription=OuterRef("pk"), kind=kind, boundary=OuterRef("paid_through"))
    found = Subscription.objects.filter(
        _near(kind, now=now), ~Exists(reminded), next_bill_at__gt=now, cancel_at=None, pause_at=None, parked_at=None
    )
    match kind:
        case Kind.TRIAL_ENDING:
            return found.filter(status=Status.TRIALING)
        case Kind.INTRO_ENDING:
            # The period to come is the first that is not introductory.
            ordinal = F("periods_before") + F("period_index")
            introduced = found.filter(status=Status.ACTIVE, price__intro_periods=ordinal, pending_price=None)
            # Says nothing new, but that few prices are looked at.
            return introduced.filter(price__intro_periods__isnull=False)
        case Kind.YEARLY_RENEWAL:
            return found.filter(status=Status.ACTIVE, price__interval=rules.Interval.YEAR)


def _near(kind: Kind, *, now: datetime) -> Q:
    countries: dict[int, list[str]] = defaultdict(list)
    listed = {law.country: law for law in ConsumerLaw.objects.all()}
    elsewhere = listed.pop("", ConsumerLaw())

    def days(law: ConsumerLaw) -> int:
        return law.yearly_reminder_days if kind is Kind.YEARLY_RENEWAL else law.trial_reminder_days

    for country, law in listed.items():
        countries[days(law)].append(country)
    near = Q(paid_through__lte=now + timedelta(days=days(elsewhere))) & ~Q(country__in=listed)
    for ahead, theirs in countries.items():
        near |= Q(paid_through__lte=now + timedelta(days=ahead), country__in=theirs)
    return near & Q(
        paid_through__gt=now, paid_through__lte=now + timedelta(days=max(map(days, [elsewhere, *listed.values()])))
    )
