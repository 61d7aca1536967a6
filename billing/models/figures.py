"""Monthly recurring revenue: what each subscription counts, and each day's sums with what moved them.

Kept by day, since movements cannot be seen afterwards. Never charge or grant anything by these figures.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from billing.models.subscriptions import Subscription


class RecurringRevenue(models.Model):
    """What a subscription counted when it was looked at last, in minor units a month, net of tax."""

    subscription = models.OneToOneField(
        Subscription, on_delete=models.PROTECT, related_name="recurring_revenue", primary_key=True
    )
    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="recurring_revenue_not_negative"),
        ]


class RecurringRevenueDay(models.Model):
    """A day's recurring revenue in one currency: opening, what moved it, closing; minor units a month.

    `new` is an account's first, `reactivation` that of an account which counted before and had stopped;
    `expansion` and `contraction` are changes of what goes on; `churn` is what stopped. The last two are negative.
    """

    day = models.DateField()
    currency = models.CharField(max_length=3)
    opening = models.BigIntegerField()
    new = models.BigIntegerField()
    expansion = models.BigIntegerField()
    contraction = models.BigIntegerField()
    churn = models.BigIntegerField()
    reactivation = models.BigIntegerField()
    closing = models.BigIntegerField()
    subscribers = models.PositiveIntegerField(help_text=_("Subscriptions that count at the end of the day."))
    made_at = models.DateTimeField()

    class Meta:
        verbose_name = "billing dashboard"
        verbose_name_plural = "billing dashboard"
        constraints = [
            # Two runs of the job.
            models.UniqueConstraint(fields=["day", "currency"], name="recurring_revenue_one_a_day"),
            # A movement that nobody explains is a figure that nobody believes.
            models.CheckConstraint(
                condition=Q(
                    closing=F("opening") + F("new") + F("expansion") + F("contraction") + F("churn") + F("reactivation")
                ),
                name="recurring_revenue_movements_add_up",
            ),
            models.CheckConstraint(
                condition=Q(new__gte=0, expansion__gte=0, reactivation__gte=0, contraction__lte=0, churn__lte=0),
                name="recurring_revenue_movements_have_their_sign",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.currency}"
