"""Events on their way upwards, and what became of each.

An event is a fact that committed together with the change it tells of. A delivery is one handler's
copy of it: its errand while it is open, its receipt once it is settled. Both tables are partitioned
by month and emptied by dropping old months, so nothing may keep a reference to their rows: whoever
needs a fact for longer copies it. `core.outbox` writes them, and nobody else.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class OutboxEvent(models.Model):
    """A fact that an app published. Never changed."""

    # The order of events of one aggregate, as long as its publishers hold a lock on it. Numbers are
    # handed out before commits, so across aggregates they say nothing about the order of commits.
    id = models.BigAutoField(primary_key=True)
    occurred_at = models.DateTimeField()
    # app and class, such as `accounts.AccountErased`
    type = models.CharField(max_length=100)
    # what the fact is about, such as `account:<uuid>`
    aggregate = models.CharField(max_length=200, db_collation="C")
    payload = models.JSONField()

    class Meta:
        # PostgreSQL's primary key is (id, occurred_at): a partition's key belongs to every unique index.
        verbose_name = "outbox event"

    def __str__(self) -> str:
        return f"{self.type} {self.pk} of {self.aggregate}"


class OutboxDeliveryQuerySet(models.QuerySet["OutboxDelivery"]):
    """Questions about deliveries."""

    def open(self) -> OutboxDeliveryQuerySet:
        """Keep those that are neither delivered nor skipped."""
        return self.filter(settled_at__isnull=True)


class OutboxDelivery(models.Model):
    """One event for one handler: the errand, later the receipt.

    The deliveries of one aggregate to one handler are a lane. Only the head of a lane, its open
    delivery with the lowest event, may be tried, so a head that fails or is parked holds back its
    lane and no other. Whoever changes a delivery holds its lane's lock (`core.outbox.lanes`).
    """

    class State(models.TextChoices):
        PENDING = "pending", "pending"
        PARKED = "parked", "parked"
        DELIVERED = "delivered", "delivered"
        SKIPPED = "skipped", "skipped"

    class Decision(models.TextChoices):
        RETRY = "retry", "retry"
        SKIP = "skip", "skip"

    id = models.BigAutoField(primary_key=True)
    # the event's, copied: it leads to the partition
    occurred_at = models.DateTimeField()
    # No constraint in the database: both rows are born in one statement's transaction and leave by
    # month, and a foreign key would make dropping a month scan the other table.
    event = models.ForeignKey(
        OutboxEvent, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="deliveries"
    )
    handler = models.CharField(max_length=100, db_collation="C")
    # the event's, copied: it makes the lane
    aggregate = models.CharField(max_length=200, db_collation="C")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    # failed attempts since it was published or last retried by staff
    failures = models.PositiveSmallIntegerField(default=0)
    # not to be tried before; empty: at once
    due_at = models.DateTimeField(null=True)
    # the last failure, kept after success: type and message
    error = models.TextField(default="")
    # when it was delivered or skipped
    settled_at = models.DateTimeField(null=True)

    # the last decision of staff; the admin's history has the earlier ones
    decision = models.CharField(max_length=10, choices=Decision.choices, default="", blank=True)
    decided_by = models.CharField(max_length=100, default="")
    decided_at = models.DateTimeField(null=True)
    decision_reason = models.TextField(default="")

    objects: ClassVar[models.Manager[OutboxDelivery]] = OutboxDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = "outbox delivery"
        verbose_name_plural = "outbox deliveries"
        constraints = [
            # An event counts once for a handler, however often it is relayed.
            models.UniqueConstraint(fields=["event", "handler", "occurred_at"], name="outbox_delivery_once"),
            # A receipt without its time, or an open delivery that looks settled to the relay.
            models.CheckConstraint(
                condition=Q(state__in=["pending", "parked"], settled_at__isnull=True)
                | Q(state__in=["delivered", "skipped"], settled_at__isnull=False),
                name="outbox_delivery_settled",
            ),
            # A decision that nobody took, or one without its reason.
            models.CheckConstraint(
                condition=Q(decision="", decided_by="", decided_at__isnull=True, decision_reason="")
                | (
                    Q(decision__in=["retry", "skip"], decided_at__isnull=False)
                    & ~Q(decided_by="")
                    & ~Q(decision_reason="")
                ),
                name="outbox_delivery_decision",
            ),
            # Something skipped that nobody decided to skip.
            models.CheckConstraint(
                condition=~Q(state="skipped") | Q(decision="skip"), name="outbox_delivery_skipped_by_staff"
            ),
        ]
        indexes = [
            # the relay's walk from lane to lane, and the head of each; delivered rows are not in it
            models.Index(
                fields=["handler", "aggregate", "event"],
                condition=Q(settled_at__isnull=True),
                name="outbox_delivery_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.handler}: event {self.event_id}"
