"""Who sells and who buys, as documents name them.

Both are append-only versions: a document shows those that held when it was issued, so that it reads the
same for as long as it is kept. Never edit one; add another.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.ids import new_id


class BillingDetailsQuerySet(models.QuerySet["BillingDetails"]):
    """Questions about customers' details."""

    def at(self, moment: datetime) -> BillingDetailsQuerySet:
        """Those that held at a moment, the newest first."""
        return self.filter(created_at__lte=moment).order_by("-created_at", "-pk")


class BillingDetails(models.Model):
    """Whom a customer wants named on invoices from now on; without any, it is the e-mail address."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="billing_details", db_index=False
    )
    name = models.CharField(max_length=200)
    address = models.TextField(max_length=500, blank=True, help_text=_("As it is written on a letter, in lines."))
    postal_code = models.CharField(max_length=12, blank=True, default="", db_default="")
    country = models.CharField(
        max_length=2, blank=True, default="", db_default="", help_text=_("ISO 3166-1; empty is the account's.")
    )
    tax_id = models.CharField(max_length=30, blank=True, help_text=_("VAT number and the like, shown as given."))
    created_at = models.DateTimeField()

    objects = BillingDetailsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "billing details"
        constraints = [
            # An invoice to nobody is none.
            models.CheckConstraint(condition=~Q(name=""), name="billing_details_name_somebody"),
        ]
        indexes = [
            # What held when a document was issued.
            models.Index(F("account"), F("created_at").desc(), name="billing_details_of_account"),
        ]

    def __str__(self) -> str:
        return self.name


class SellerQuerySet(models.QuerySet["Seller"]):
    """Questions about the seller."""

    def newest(self) -> SellerQuerySet:
        return self.order_by("-since", "-pk")


class Seller(models.Model):
    """The company that issues, as the settings named it from a time on."""

    name = models.CharField(max_length=200)
    address = models.TextField(blank=True)
    tax_id = models.CharField(max_length=30, blank=True)
    register = models.CharField(max_length=200, blank=True, help_text=_("Company register and number."))
    email = models.CharField(max_length=254, blank=True)
    since = models.DateTimeField()

    objects = SellerQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two processes that notice new settings at the same moment.
            models.UniqueConstraint(fields=["since"], name="seller_one_at_a_time"),
        ]

    def __str__(self) -> str:
        return self.name


class ReceiptMark(models.Model):
    """Up to which database transaction payments have been receipted: one row.

    Whatever transaction is below the oldest one still running has committed or never will, so nothing that
    commits late is passed over, and nothing is mailed twice.
    """

    one = models.BooleanField(primary_key=True, default=True)
    transaction = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(one=True), name="receipt_mark_is_one")]
