"""What a customer is promised: quotes that bind the charge, and coupons."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from billing.models.invoices import Invoice
from billing.models.plans import Price
from billing.models.subscriptions import Subscription
from core import money
from core.ids import new_id
from core.money import Money


class QuoteQuerySet(models.QuerySet["Quote"]):
    """The quote's lock."""

    def locked(self) -> QuoteQuerySet:
        return self.order_by("pk").select_for_update(of=("self",))


class Quote(models.Model):
    """What changing to another price costs now: the lines are billed as they stand here, nothing is worked out again.

    What is charged is `due`, or nothing: credit and debts that have changed since make another quote.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="quotes")
    from_price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="+", db_index=False)
    price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="+", db_index=False)
    on_date = models.DateField(help_text=_("The local day that the proration counts from."))
    currency = models.CharField(max_length=3)
    total = models.BigIntegerField(help_text=_("Minor units, tax included; negative becomes credit."))
    credit = models.BigIntegerField(default=0, db_default=0, help_text=_("What gifts and credit pay."))
    debts = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text=_("What is owed from before, and charged with it: rests, and refunds owed again."),
    )
    due = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text=_("What is charged; nothing where it is too little, which the next invoice takes over."),
    )
    lines = models.JSONField()
    restarts_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("When the present period is cut short and another begins: a change of interval."),
    )
    ends_at = models.DateTimeField(null=True, blank=True, help_text=_("When that other one ends."))
    trial_ends_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the trial ends within which it was made: nothing is charged before.")
    )
    begins_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the features of the plan begin, where that is not at once.")
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    # One charge a quote, whoever presses twice.
    invoice = models.OneToOneField(
        Invoice, on_delete=models.PROTECT, related_name="quote", null=True, blank=True, editable=False
    )

    objects = QuoteQuerySet.as_manager()

    class Meta:
        constraints = [
            # A trial is free to its end, whatever is chosen meanwhile; only there does another plan wait.
            models.CheckConstraint(
                condition=Q(trial_ends_at=None, begins_at=None)
                | Q(Q(begins_at=None) | Q(begins_at=F("trial_ends_at")), total=0, due=0, trial_ends_at__isnull=False),
                name="quote_within_trial_charges_nothing",
            ),
        ]

    def __str__(self) -> str:
        return money.shown(Money(self.total, self.currency))


class CouponQuerySet(models.QuerySet["Coupon"]):
    """The coupon's lock."""

    def locked(self) -> CouponQuerySet:
        """Lock after invoices and attempts, before credit, all that are needed at once."""
        return self.order_by("pk").select_for_update(of=("self",))


class Coupon(models.Model):
    """A discount for a number of periods, before tax."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.CharField(max_length=40, unique=True)
    percent = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    amount = models.BigIntegerField(null=True, blank=True, help_text=_("Minor units of its currency, off each period."))
    currency = models.CharField(max_length=3, blank=True)
    periods = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("How many periods from the first, paid or not; empty means all.")
    )
    max_redemptions = models.PositiveIntegerField(null=True, blank=True)
    redemptions = models.PositiveIntegerField(default=0, editable=False)
    valid_until = models.DateTimeField(null=True, blank=True)

    objects = CouponQuerySet.as_manager()

    class Meta:
        constraints = [
            # Either a share, or an amount in one currency.
            models.CheckConstraint(
                condition=Q(percent__gt=0, percent__lte=100, amount=None, currency="")
                | Q(percent=None, amount__gt=0, currency__regex=r"^[A-Z]{3}$"),
                name="coupon_takes_a_share_or_an_amount",
            ),
            models.CheckConstraint(condition=Q(periods=None) | Q(periods__gte=1), name="coupon_lasts"),
            # Two redemptions at once must not pass the limit together.
            models.CheckConstraint(
                condition=Q(max_redemptions=None) | Q(redemptions__lte=models.F("max_redemptions")),
                name="coupon_redemptions_limited",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class CouponRedemption(models.Model):
    """A coupon on a subscription. Its periods are counted by index, so that a retried invoice consumes none."""

    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="uses", db_index=False)
    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    subscription = models.OneToOneField(Subscription, on_delete=models.PROTECT, related_name="redemption")
    first_index = models.PositiveIntegerField(default=0)
    redeemed_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Once a person.
            models.UniqueConstraint(fields=["coupon", "account"], name="coupon_once_an_account"),
        ]

    def __str__(self) -> str:
        return f"{self.coupon_id} on {self.subscription_id}"

    def covers(self, index: int) -> bool:
        """Answer whether the period of this index is discounted."""
        periods = self.coupon.periods
        return index >= self.first_index and (periods is None or index < self.first_index + periods)
