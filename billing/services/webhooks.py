"""What Stripe tells us: stored first, understood later, by a worker.

Events come unordered, twice, a day late, or before the reply to our own call. So an event is only a
hint that something happened: what is applied is the object as Stripe has it now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.gateway import Gateway, GatewayRefused, GatewayUnavailable, OutcomeKind, RefundKind
from billing.models import PaymentAttempt, Refund, WebhookEvent
from billing.selectors.webhooks import without_secrets
from billing.services import card_care, disputes, fraud, refunds, settlement
from core import sweeping
from core.errors import DomainError

logger = logging.getLogger(__name__)

TRIES = 12
"""Doubling from a minute: given up after about three days, as long as Stripe itself goes on."""
LEASE = timedelta(minutes=1)
BATCH = 100
LOOK_BACK = timedelta(days=3)
"""Stripe delivers for three days; so a poll each night looks at everything at least twice."""

KEPT = timedelta(days=90)
"""How long what was applied is kept, for questions and disputes; it names customers. Longer than LOOK_BACK."""
PURGED_AT_ONCE = 1000

CARD_EVENTS = {"payment_method.automatically_updated", "payment_method.updated"}
"""A bank has sent a new card, or a new end of the old one."""

Status = WebhookEvent.Status
Found = TypeVar("Found")


class NothingToTry(DomainError):
    """The event was applied, or is about to be."""

    code: ClassVar[str] = "nothing_to_try"
    title: ClassVar[str] = "This event was neither given up nor does it wait."
    status: ClassVar[int] = 409


class WrongMode(DomainError):
    """An event of live money arrived at a test deployment, or the other way round."""

    code: ClassVar[str] = "livemode_mismatch"
    title: ClassVar[str] = "This event is of another mode than this deployment's key."
    status: ClassVar[int] = 400


def receive(*, event: Mapping[str, Any], livemode: bool, now: datetime) -> str:
    """Store a verified event once, without its secrets; answers its id. Raises WrongMode."""
    if bool(event.get("livemode")) is not livemode:
        raise WrongMode
    WebhookEvent.objects.bulk_create(
        [
            WebhookEvent(
                event_id=event["id"],
                type=str(event.get("type", ""))[:100],
                payload=without_secrets(dict(event)),
                livemode=livemode,
                received_at=now,
                next_try_at=now,
            )
        ],
        # Delivered before, perhaps at this very moment.
        ignore_conflicts=True,
    )
    return str(event["id"])


def process(*, event_id: str, gateway: Gateway, now: datetime) -> None:
    """Apply one stored event; does nothing if it was applied or somebody is at it."""
    _apply_each(_claim(Q(event_id=event_id), size=1, now=now), gateway=gateway, now=now)


def process_due(*, gateway: Gateway, now: datetime) -> int:
    """Apply events that nobody has applied yet or whose object was not known; answers how many were tried."""
    events = _claim(Q(), size=BATCH, now=now)
    _apply_each(events, gateway=gateway, now=now)
    return len(events)


@transaction.atomic
def try_again(*, event_id: str, by: str, now: datetime) -> WebhookEvent:
    """Have an event tried again that was given up, or waits for its next try, with all its tries. Raises NothingToTry."""
    event = WebhookEvent.objects.select_for_update().filter(event_id=event_id).first()
    if event is None or event.status not in {Status.FAILED, Status.PARKED}:
        raise NothingToTry
    event.status, event.tries, event.next_try_at, event.note = Status.PARKED, 0, now, f"tried again by {by}"
    event.save(update_fields=["status", "tries", "next_try_at", "note"])
    return event


@transaction.atomic
def _claim(which: Q, *, size: int, now: datetime) -> list[WebhookEvent]:
    events = list(WebhookEvent.objects.due(now).filter(which).select_for_update(skip_locked=True)[:size])
    WebhookEvent.objects.filter(pk__in=[event.pk for event in events]).update(next_try_at=now + LEASE)
    return events


def _apply_each(events: Iterable[WebhookEvent], *, gateway: Gateway, now: datetime) -> None:
    """Apply events; one that cannot be applied, for whatever reason, waits for its next try and keeps none waiting."""
    sweeping.one_by_one(
        "webhooks",
        events,
        partial(_apply, gateway=gateway, now=now),
        failed=lambda event, error: _park(event, sweeping.told(error, length=200), now=now),
    )


def _apply(event: WebhookEvent, *, gateway: Gateway, now: datetime) -> None:
    if event.type.startswith("charge.dispute."):
        _apply_of_payment(event, gateway.dispute, lambda found: disputes.record(found=found, now=now), now=now)
        return
    if event.type.startswith("radar.early_fraud_warning."):
        _apply_of_payment(event, gateway.fraud_warning, lambda found: fraud.record(found=found, now=now), now=now)
        return
    if event.type.startswith("refund."):
        _apply_refund(event, gateway=gateway, now=now)
        return
    if event.type in CARD_EVENTS:
        _apply_card(event, gateway=gateway, now=now)
        return
    if not event.type.startswith("payment_intent."):
        _finish(event, Status.IGNORED, now=now)
        return
    intent = event.payload.get("data", {}).get("object", {})
    attempt = _attempt_of(intent)
    if attempt is None:
        _park(event, "its payment attempt is not known", now=now)
        return
    if attempt.state == PaymentAttempt.State.SUCCEEDED:
        # Nothing that Stripe could answer changes it: most events tell of what the reply has told.
        _finish(event, Status.PROCESSED, now=now)
        return
    outcome = gateway.charge_status(str(intent.get("id", "")))
    if outcome.kind is OutcomeKind.UNKNOWN:
        _park(event, f"asked again: {outcome.code}", now=now)
        return
    settlement.settle({attempt.pk: outcome}, now=now)
    _finish(event, Status.PROCESSED, now=now)


def _apply_of_payment(
    event: WebhookEvent, read: Callable[[str], Found], record: Callable[[Found], bool], *, now: datetime
) -> None:
    """Record what somebody's bank says of a payment, as Stripe has it now; wait while the payment is not known."""
    try:
        found = read(_object_id(event))
    except (GatewayUnavailable, GatewayRefused):
        _park(event, "it could not be read", now=now)
        return
    if record(found):
        _finish(event, Status.PROCESSED, now=now)
    else:
        _park(event, "its payment is not known", now=now)


def _apply_refund(event: WebhookEvent, *, gateway: Gateway, now: datetime) -> None:
    refund = Refund.objects.filter(gateway_id=_object_id(event)).first()
    if refund is None:
        # Its reply may not have come yet; what was made in Stripe's dashboard, the tie-out reports.
        _park(event, "its refund is not known", now=now)
        return
    outcome = gateway.refund_status(refund.gateway_id)
    if outcome.kind is RefundKind.UNKNOWN:
        # Of one that had succeeded nobody asks again.
        _park(event, f"asked again: {outcome.code}", now=now)
        return
    refunds.settle(refund_id=refund.pk, outcome=outcome, now=now)
    _finish(event, Status.PROCESSED, now=now)


def _apply_card(event: WebhookEvent, *, gateway: Gateway, now: datetime) -> None:
    try:
        known = card_care.refresh(gateway_id=_object_id(event), gateway=gateway)
    except (GatewayUnavailable, GatewayRefused):
        _park(event, "the card could not be read", now=now)
        return
    _finish(event, Status.PROCESSED if known else Status.IGNORED, now=now)


def _object_id(event: WebhookEvent) -> str:
    return str(event.payload.get("data", {}).get("object", {}).get("id") or "none")


def fill_holes(*, gateway: Gateway, livemode: bool, now: datetime) -> int:
    """Store the events of the last days that never arrived; answers how many. Raises GatewayUnavailable."""
    listed = list(gateway.events(since=now - LOOK_BACK))
    known = set(
        WebhookEvent.objects.filter(event_id__in=[event["id"] for event in listed]).values_list("event_id", flat=True)
    )
    missed = [event for event in reversed(listed) if event["id"] not in known]
    for event in missed:
        receive(event=event, livemode=livemode, now=now)
    if missed:
        logger.warning("Webhooks had not arrived.", extra={"count": len(missed)})
    return len(missed)


def purge(*, now: datetime) -> int:
    """Delete what was applied, or was no concern of ours, long ago; answers how many. What was given up stays."""
    over = WebhookEvent.objects.filter(processed_at__lt=now - KEPT).order_by("processed_at")
    count = 0
    # A statement for all would hold as many locks, and stand in the way of vacuum.
    while purged := over.model.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:PURGED_AT_ONCE])).delete()[
        0
    ]:
        count += purged
    return count


def _attempt_of(intent: Mapping[str, Any]) -> PaymentAttempt | None:
    """Answer the attempt of a PaymentIntent, by what we recorded or by what we sent with it."""
    known = Q(gateway_id=str(intent.get("id") or "none"))
    try:
        named = UUID(str((intent.get("metadata") or {}).get("attempt")))
    except ValueError:
        pass
    else:
        known |= Q(pk=named, gateway_id="")
    return PaymentAttempt.objects.filter(known).only("state").first()


def _finish(event: WebhookEvent, status: WebhookEvent.Status, *, now: datetime) -> None:
    WebhookEvent.objects.filter(pk=event.pk).update(status=status, processed_at=now, next_try_at=None)


def _park(event: WebhookEvent, note: str, *, now: datetime) -> None:
    tries = event.tries + 1
    waiting = tries < TRIES
    if not waiting:
        logger.error("A webhook event was given up.", extra={"event": event.event_id, "note": note})
    # Somebody else may have applied it meanwhile.
    WebhookEvent.objects.filter(pk=event.pk, status__in=[Status.RECEIVED, Status.PARKED]).update(
        status=Status.PARKED if waiting else Status.FAILED,
        tries=tries,
        note=note[:200],
        next_try_at=now + timedelta(minutes=2**event.tries) if waiting else None,
    )
