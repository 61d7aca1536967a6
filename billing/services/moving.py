"""Moving to another country: a subscription follows its customer's evidence, at a boundary and with notice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import count
from uuid import UUID
from zoneinfo import ZoneInfo

from billing import places, rules
from billing.models import Price, Subscription, SubscriptionTransition, TaxPlace
from billing.places import Evidence, Place
from billing.rules import Status
from billing.selectors import whereabouts
from billing.selectors.whereabouts import Move
from billing.services import cycles, debts, forecasts, letters, records
from billing.services.letters import Letter
from billing.services.settlement import SYSTEM
from billing.services.whereabouts import Cause, row
from core.money import Money


def review(*, account_id: UUID, cause: Cause, now: datetime, seen: str = "") -> None:
    """Decide again where a live subscription is billed, because its evidence has changed; in the caller's transaction.

    Another country holds from the next boundary that is at least `places.NOTICE` away, and the customer is told by
    mail with the price there. Where no two pieces agree any more, what held goes on to hold.
    """
    subscription = (
        Subscription.objects.locked()
        .select_related("price__plan", "pending_price__plan")
        .live()
        .exclude(status=Status.INCOMPLETE)
        .filter(account=account_id)
        .first()
    )
    if subscription is None:
        return
    last = TaxPlace.objects.filter(subscription=subscription).order_by("-pk").first()
    found = whereabouts.evidence(account_id=account_id, seen=seen or (last.address if last else ""))
    if last is not None and _said(last) == found:
        return
    place = found.place
    made = row(subscription, found, place, cause, now=now)
    if place is None or subscription.cancel_at is not None or subscription.paid_through is None:
        made.save(force_insert=True)
        return
    expected = _expected(subscription)
    if place == expected:
        # As before; a move that was announced is still to come.
        made.effective_at = subscription.moves_at
        made.save(force_insert=True)
        return
    move = None if place == subscription.place else Move(place, _moves_at(subscription, place, now=now))
    subscription.moves_at = made.effective_at = move.effective_at if move else None
    letter = _told(subscription, place, move, now=now)
    made.price = letter.price
    made.save(force_insert=True)
    records.save(subscription, ["moves_at"])
    cycles.note(subscription, f"country: {place.taxed_as} by {cause}", by=SYSTEM, now=now).save(force_insert=True)
    letters.write([letter.letter], now=now)


def move(subscription: Subscription, to: Move, *, now: datetime) -> SubscriptionTransition:
    """Let a locked subscription be billed in another place from now on, as its customer was told.

    Answers the unsaved record of it.
    """
    subscription.country, subscription.territory = to.place.country, to.place.territory
    subscription.moves_at = None
    records.save(subscription, ["country", "territory", "moves_at"])
    return cycles.note(subscription, f"country: {to.place.taxed_as}", by=SYSTEM, now=now)


@dataclass(frozen=True)
class _Told:
    letter: Letter
    price: Price


def _told(subscription: Subscription, place: Place, move: Move | None, *, now: datetime) -> _Told:
    """Answer what the customer is told: the first bill of another country, or that everything stays as it was."""
    bill = forecasts.first_bill_of(subscription, move, now=now)
    values: dict[str, Money | datetime | str] = {
        "plan": bill.price.plan.name,
        "country": place.country,
        "on": bill.at,
        "amount": Money(bill.amount, bill.currency),
        "interval": bill.price.interval,
    }
    return _Told(Letter("country_changes" if move else "country_stays", subscription, values), bill.price)


def _expected(subscription: Subscription) -> Place:
    """Answer where a subscription will be billed as things stand."""
    moved = whereabouts.moves([subscription]).by_subscription.get(subscription.pk)
    return moved.place if moved else subscription.place


def _moves_at(subscription: Subscription, place: Place, *, now: datetime) -> datetime:
    """Answer the first boundary for which there is time to tell.

    Before another currency holds, one more invoice collects what is owed in the present one.
    """
    interval = rules.Interval(subscription.price.interval)
    if subscription.status == Status.PAUSED and subscription.resume_at is not None:
        anchor, index = rules.Anchor.at(subscription.resume_at, ZoneInfo(subscription.billing_tz), interval), 0
    else:
        anchor, index = subscription.anchor(interval), subscription.period_index
    price, owing = subscription.price, debts.is_owed(subscription.account_id, subscription.price.currency)
    if owing and Move(place, now).price_of(price).currency != price.currency:
        index += 1
    return places.moves_at((anchor.boundary(n) for n in count(index)), now=now)


def _said(decision: TaxPlace) -> Evidence:
    return Evidence(decision.declared, decision.card, decision.address, decision.postal_code)
