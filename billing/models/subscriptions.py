"""Subscriptions and the periods they are billed for.

The row says where a subscription stands and when somebody must look at it next. What was charged
is in invoices; do not read money from here.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing import rules
from billing.models.plans import Price
from billing.places import Place
from billing.words import in_words
from core.ids import new_id

LIVE = sorted(rules.LIVE)
BILLABLE = sorted(rules.BILLABLE)


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """Questions about subscriptions, and their lock."""

    def live(self) -> SubscriptionQuerySet:
        return self.filter(status__in=LIVE)

    def due(self, now: datetime) -> SubscriptionQuerySet:
        """Those the scheduler must look at, oldest first; `<=`, so that a lost day is caught up."""
        return self.filter(
            Q(claimed_until=None) | Q(claimed_until__lte=now),
            next_bill_at__lte=now,
            parked_at=None,
        ).order_by("next_bill_at")

    def renewal_late(self, now: datetime) -> SubscriptionQuerySet:
        """Those that go on and should have been billed so long ago that their viewers are locked out for it."""
        return self.filter(
            Q(cancel_at=None) | Q(cancel_at__gt=now),
            status__in=[rules.Status.ACTIVE, rules.Status.TRIALING],
            paid_through__lte=now - rules.PENDING_LIMIT,
            next_bill_at__lte=now,
        )

    def locked(self) -> SubscriptionQuerySet:
        """Lock in the agreed order (`billing.services`), by key."""
        return self.order_by("pk").select_for_update(of=("self",))


class Subscription(models.Model):
    """What an account bought.

    `next_bill_at` with `next_step` is the scheduler's whole knowledge. `claimed_until` keeps a claimed
    row out of the scan while its charge is under way; the unique period is the real guard.
    """

    class StatusChoices(models.TextChoices):
        INCOMPLETE = rules.Status.INCOMPLETE, _("incomplete")
        TRIALING = rules.Status.TRIALING, _("trialing")
        ACTIVE = rules.Status.ACTIVE, _("active")
        PAST_DUE = rules.Status.PAST_DUE, _("past due")
        ON_HOLD = rules.Status.ON_HOLD, _("on hold")
        PAUSED = rules.Status.PAUSED, _("paused")
        CANCELED = rules.Status.CANCELED, _("canceled")
        ENDED = rules.Status.ENDED, _("ended")

    class StepChoices(models.TextChoices):
        RENEW = rules.Step.RENEW, _("renew")
        RETRY = rules.Step.RETRY, _("retry")
        HOLD = rules.Step.HOLD, _("put on hold")
        CANCEL = rules.Step.CANCEL, _("cancel")
        RESUME = rules.Step.RESUME, _("resume")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="subscriptions")
    price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="subscriptions", db_index=False)
    pending_price = models.ForeignKey(
        Price,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        help_text=_("What the next period is billed by: a downgrade."),
    )
    request_key = models.UUIDField(unique=True, null=True, editable=False)
    status = models.CharField(max_length=10, choices=StatusChoices.choices)
    country = models.CharField(
        max_length=2,
        blank=True,
        help_text=_("Where it is priced and taxed, ISO 3166-1; its latest tax place says why."),
    )
    territory = models.CharField(
        max_length=8,
        blank=True,
        default="",
        db_default="",
        help_text=_("The part of the country with a tax of its own."),
    )
    moves_at = models.DateTimeField(
        null=True, blank=True, help_text=_("From this boundary on it is billed where its latest tax place says.")
    )
    billing_tz = models.CharField(max_length=64, help_text=_("IANA zone, frozen at creation."))
    anchor_date = models.DateField(help_text=_("Local date all boundaries are counted from; day 31 stays 31."))
    anchor_time = models.TimeField(help_text=_("Local time of day of every boundary."))
    cycle = models.PositiveIntegerField(default=0, help_text=_("Counts re-anchorings."))
    period_index = models.PositiveIntegerField(default=0, help_text=_("Index of the next period to bill."))
    periods_before = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text=_(
            "Periods billed to this person in earlier cycles; coupons and introductory prices count on from here."
        ),
    )
    paid_through = models.DateTimeField(null=True, blank=True, help_text=_("End of the last paid period."))
    next_step = models.CharField(max_length=6, choices=StepChoices.choices, default=rules.Step.RENEW)
    next_bill_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    last_charged_at = models.DateTimeField(null=True, blank=True)
    first_failed_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the unpaid renewal was first declined; dunning counts from here.")
    )
    cancel_at = models.DateTimeField(null=True, blank=True)
    pause_at = models.DateTimeField(null=True, blank=True, help_text=_("When it pauses: the end of what is paid for."))
    resume_at = models.DateTimeField(null=True, blank=True, help_text=_("When a pause ends by itself."))
    parked_at = models.DateTimeField(null=True, blank=True)
    parked_reason = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        permissions = [
            ("unpark_subscription", "Can put a parked subscription back into the schedule"),
            ("cancel_subscription", "Can cancel a subscription for its customer"),
        ]
        constraints = [
            # Two subscribe requests at once, with different keys, make one subscription.
            models.UniqueConstraint(
                fields=["account"], condition=Q(status__in=LIVE), name="subscription_one_live_per_account"
            ),
            # A subscription that nobody looks at would be watched free for ever; one that is over
            # must not be billed.
            models.CheckConstraint(
                condition=(Q(status__in=BILLABLE) & Q(next_bill_at__isnull=False))
                | (~Q(status__in=BILLABLE) & Q(next_bill_at=None)),
                name="subscription_is_scheduled_when_billable",
            ),
            # Grace and hold are counted from a date that must exist.
            models.CheckConstraint(
                condition=(
                    Q(status__in=[rules.Status.PAST_DUE, rules.Status.ON_HOLD]) & Q(first_failed_at__isnull=False)
                )
                | (~Q(status__in=[rules.Status.PAST_DUE, rules.Status.ON_HOLD]) & Q(first_failed_at=None)),
                name="subscription_dunning_has_its_start",
            ),
            models.CheckConstraint(
                condition=(Q(status__in=LIVE) & Q(ended_at=None)) | (~Q(status__in=LIVE) & Q(ended_at__isnull=False)),
                name="subscription_ended_at_when_over",
            ),
            # Access comes after payment.
            models.CheckConstraint(
                condition=~Q(status__in=[rules.Status.ACTIVE, rules.Status.PAST_DUE, rules.Status.ON_HOLD])
                | Q(paid_through__isnull=False),
                name="subscription_active_is_paid",
            ),
            models.CheckConstraint(
                condition=Q(parked_at=None, parked_reason="") | (Q(parked_at__isnull=False) & ~Q(parked_reason="")),
                name="subscription_parked_with_reason",
            ),
            # A pause that nothing ends would last for ever.
            models.CheckConstraint(
                condition=Q(pause_at=None) | Q(resume_at__gt=F("pause_at")), name="subscription_pause_ends"
            ),
        ]
        indexes = [
            # The scheduler's scan; idle subscriptions lie behind `now` and cost nothing.
            models.Index(
                fields=["next_bill_at"],
                condition=Q(next_bill_at__isnull=False, parked_at=None),
                name="subscription_due",
            ),
            # Whose introduction or year ends soon, and who has a price at all.
            models.Index(fields=["price", "paid_through"], name="subscription_of_price"),
            # Whose trial ends soon.
            models.Index(
                fields=["paid_through"], condition=Q(status=rules.Status.TRIALING), name="subscription_trial_ends"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.get_status_display()})"

    @property
    def stops_at(self) -> datetime | None:
        """When it stops giving access, as its customer wishes: by a cancellation or a pause."""
        return min((at for at in (self.cancel_at, self.pause_at) if at is not None), default=None)

    @property
    def place(self) -> Place:
        """Where it is priced and taxed."""
        return Place(self.country, self.territory)

    @property
    def ordinal(self) -> int:
        """Number, from 0, of the next period to bill among all that this person was billed for."""
        return self.periods_before + self.period_index

    def anchor(self, interval: rules.Interval) -> rules.Anchor:
        """Answer what the boundaries of the current cycle are computed from."""
        return rules.Anchor(self.anchor_date, self.anchor_time, ZoneInfo(self.billing_tz), interval)


class ParkedSubscriptionManager(models.Manager["ParkedSubscription"]):
    """What stands still."""

    def get_queryset(self) -> models.QuerySet[ParkedSubscription]:
        return super().get_queryset().exclude(parked_at=None)


class ParkedSubscription(Subscription):
    """A subscription that stands still until somebody takes its way out: the list that staff work off."""

    parked = ParkedSubscriptionManager()

    class Meta:
        proxy = True
        default_manager_name = "parked"


class Period(models.Model):
    """One stretch of service that is billed once: `[start, end)`.

    The trigger `billing_period_shortened_only` refuses a change of anything but `end`, to an earlier instant: a change
    of interval closes the running period there.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="periods", db_index=False)
    cycle = models.PositiveIntegerField()
    index = models.PositiveIntegerField()
    start = models.DateTimeField()
    end = models.DateTimeField()

    class Meta:
        constraints = [
            # Two workers that plan the same renewal: the second one fails here.
            models.UniqueConstraint(fields=["subscription", "cycle", "index"], name="period_unique"),
            models.CheckConstraint(condition=Q(start__lt=F("end")), name="period_not_empty"),
            # Nobody pays twice for the same hour, whatever moved the boundaries.
            ExclusionConstraint(
                name="period_no_overlap",
                expressions=[
                    ("subscription", RangeOperators.EQUAL),
                    (
                        Func(
                            F("start"),
                            F("end"),
                            RangeBoundary(inclusive_lower=True),
                            function="TSTZRANGE",
                            output_field=DateTimeRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
        ]

    def __str__(self) -> str:
        return gettext("%(start)s to %(end)s") % {"start": f"{self.start:%Y-%m-%d}", "end": f"{self.end:%Y-%m-%d}"}


class Resumption(models.Model):
    """A customer's request to end a pause: which new cycle it began, so that the same request begins no other."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="resumptions")
    request_key = models.UUIDField(unique=True, editable=False)
    cycle = models.PositiveIntegerField()
    at = models.DateTimeField()
    by = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscription", "cycle"], name="resumption_one_a_cycle"),
        ]

    def __str__(self) -> str:
        return f"cycle {self.cycle}"


class SubscriptionTransition(models.Model):
    """A change of status: who, when and why. Append-only."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="transitions")
    from_status = models.CharField(max_length=10)
    to_status = models.CharField(max_length=10)
    at = models.DateTimeField()
    by = models.CharField(max_length=100, help_text=_("account:<id>, staff:<id> or system."))
    reason = models.CharField(max_length=100)

    def __str__(self) -> str:
        return gettext("%(before)s to %(after)s") % {
            "before": in_words(self.from_status),
            "after": in_words(self.to_status),
        }
