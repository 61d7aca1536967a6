"""What staff decide about deliveries that fail."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from core.errors import DomainError
from core.models.outbox import OutboxDelivery
from core.outbox import lanes, nudge
from core.outbox.lanes import Lane


class UnknownDelivery(DomainError):
    """There is no such delivery: its month is past its retention, or it never was."""

    code = "unknown_delivery"
    title = "There is no such delivery."
    status = 404


class DeliveryNotFailing(DomainError):
    """Staff decide about failures; what was delivered or never tried is the relay's."""

    code = "delivery_not_failing"
    title = "Only a delivery that failed and is not settled can be retried or skipped."


class DeliveryBusy(DomainError):
    """A relay holds the delivery's lane."""

    code = "delivery_busy"
    title = "A relay is working on this aggregate just now; try again in a moment."


class ReasonMissing(DomainError):
    """A decision without its reason helps nobody who reads it later."""

    code = "reason_missing"
    title = "Give a reason."
    status = 400


def retry(*, delivery_id: int, by: AbstractBaseUser, reason: str, now: datetime) -> None:
    """Have a failing or parked delivery tried again at once, with all its attempts.

    Raises UnknownDelivery, DeliveryNotFailing, DeliveryBusy, ReasonMissing.
    """
    _decide(
        delivery_id=delivery_id,
        by=by,
        reason=reason,
        now=now,
        decision=OutboxDelivery.Decision.RETRY,
        state=OutboxDelivery.State.PENDING,
        failures=0,
        due_at=None,
    )


def skip(*, delivery_id: int, by: AbstractBaseUser, reason: str, now: datetime) -> None:
    """Give a failing or parked delivery up for good, so that its lane moves on without it.

    Raises UnknownDelivery, DeliveryNotFailing, DeliveryBusy, ReasonMissing.
    """
    _decide(
        delivery_id=delivery_id,
        by=by,
        reason=reason,
        now=now,
        decision=OutboxDelivery.Decision.SKIP,
        state=OutboxDelivery.State.SKIPPED,
        settled_at=now,
    )


def _decide(*, delivery_id: int, by: AbstractBaseUser, reason: str, now: datetime, **values: object) -> None:
    if not reason.strip():
        raise ReasonMissing
    with transaction.atomic():
        delivery = OutboxDelivery.objects.filter(pk=delivery_id).first()
        if delivery is None:
            raise UnknownDelivery(f"There is no delivery {delivery_id}.")
        if not lanes.try_lock(Lane(delivery.handler, delivery.aggregate)):
            raise DeliveryBusy
        changed = (
            OutboxDelivery.objects.open()
            .filter(pk=delivery_id, occurred_at=delivery.occurred_at, failures__gt=0)
            .update(decided_by=str(by.pk), decided_at=now, decision_reason=reason.strip(), **values)
        )
        if not changed:
            raise DeliveryNotFailing(f"Delivery {delivery_id} has not failed, or is settled by now.")
        nudge.on_commit()
