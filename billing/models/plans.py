"""What is sold.

A price is an immutable version: subscriptions, lines and quotes point at the row they were made
with, so an amount is changed by adding a version and never by an edit.
"""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing import rules
from core import money
from core.ids import new_id
from core.money import Money


class PlanFamily(models.Model):
    """Plans a subscriber can move between."""

    class UpgradeChoices(models.TextChoices):
        CHARGE_NOW = "charge_now", _("charge now")
        NEXT_BILL = "next_bill", _("with the next bill")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    fallback_currency = models.CharField(
        max_length=3, help_text=_("Offered where there are no prices in the local currency (ISO 4217).")
    )
    upgrades_by = models.CharField(
        max_length=10,
        choices=UpgradeChoices.choices,
        default=UpgradeChoices.CHARGE_NOW,
        db_default=UpgradeChoices.CHARGE_NOW,
        help_text=_(
            "Charge the rest of the period at once, or change now and bill the new price from the next period on."
        ),
    )

    class Meta:
        verbose_name_plural = "plan families"
        constraints = [
            models.CheckConstraint(
                condition=Q(fallback_currency__regex=r"^[A-Z]{3}$"), name="plan_family_currency_is_iso"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PlanQuerySet(models.QuerySet["Plan"]):
    """Questions about plans."""

    def on_sale(self) -> PlanQuerySet:
        return self.filter(on_sale=True)


class Plan(models.Model):
    """A tier and what it permits. Withdrawn from sale by `on_sale`, never deleted while in use."""

    class Resolution(models.TextChoices):
        SD = "480p", "480p"
        HD = "720p", "720p"
        FULL_HD = "1080p", "1080p"
        UHD = "2160p", "2160p"

    class WithoutCard(models.TextChoices):
        CANCEL = "cancel", _("cancel")
        PAUSE = "pause", _("pause until a card is saved")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    family = models.ForeignKey(PlanFamily, on_delete=models.PROTECT, related_name="plans")
    code = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    tier = models.PositiveSmallIntegerField(help_text=_("Rank in the family; a higher tier is an upgrade."))
    max_streams = models.PositiveSmallIntegerField(help_text=_("Screens that may play at the same time."))
    max_resolution = models.CharField(max_length=5, choices=Resolution.choices)
    download_devices = models.PositiveSmallIntegerField(default=0, help_text=_("Devices that may keep downloads."))
    max_devices = models.PositiveSmallIntegerField(help_text=_("Devices that may be registered."))
    with_ads = models.BooleanField(default=False)
    on_sale = models.BooleanField(default=True)
    trial_needs_card = models.BooleanField(
        default=True,
        db_default=True,
        help_text=_("A trial begins with a saved card. Without, it may be taken by anybody."),
    )
    trial_without_card = models.CharField(
        max_length=6,
        choices=WithoutCard.choices,
        default=WithoutCard.CANCEL,
        db_default=WithoutCard.CANCEL,
        help_text=_("What becomes of a trial that ends while there is no card to charge."),
    )
    keeps_price_on_return = models.BooleanField(
        default=False, db_default=False, help_text=_("Who comes back after the end pays the price they had.")
    )

    objects = PlanQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two plans of one tier leave no answer to "is this an upgrade?".
            models.UniqueConstraint(fields=["family", "tier"], name="plan_tier_unique_in_family"),
            # A plan nobody can watch with is a typing mistake.
            models.CheckConstraint(
                condition=Q(max_streams__gte=1, max_devices__gte=1), name="plan_lets_somebody_watch"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PriceQuerySet(models.QuerySet["Price"]):
    """Questions about prices."""

    def current(self) -> PriceQuerySet:
        return self.filter(superseded_at=None)


class Price(models.Model):
    """One version of what a plan costs in a currency, and in one country or everywhere.

    The trigger `billing_price_immutable` refuses a change of anything but `superseded_at`.
    """

    class IntervalChoices(models.TextChoices):
        MONTH = rules.Interval.MONTH, _("month")
        YEAR = rules.Interval.YEAR, _("year")

    class TaxBehavior(models.TextChoices):
        INCLUSIVE = "inclusive", _("tax included")
        EXCLUSIVE = "exclusive", _("tax added")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="prices")
    currency = models.CharField(max_length=3)
    country = models.CharField(max_length=2, blank=True, help_text=_("ISO 3166-1; empty means everywhere."))
    interval = models.CharField(max_length=5, choices=IntervalChoices.choices)
    version = models.PositiveIntegerField()
    amount = models.BigIntegerField(help_text=_("Minor units for one period."))
    tax_behavior = models.CharField(max_length=9, choices=TaxBehavior.choices, default=TaxBehavior.INCLUSIVE)
    trial_days = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text=_("Days that a first-time subscriber may try it without charge.")
    )
    intro_amount = models.BigIntegerField(
        null=True, blank=True, help_text=_("Minor units for each of the first periods of a new subscriber.")
    )
    intro_periods = models.PositiveSmallIntegerField(null=True, blank=True, help_text=_("How many periods those are."))
    applies_to_existing_from = models.DateField(
        null=True,
        blank=True,
        help_text=_(
            "From when subscribers of earlier versions pay this one, once they have had notice; "
            "empty lets them keep theirs."
        ),
    )
    notice_days = models.PositiveSmallIntegerField(
        default=30, db_default=30, help_text=_("Days between a subscriber's notice and the first bill at this price.")
    )
    created_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    objects = PriceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["plan", "currency", "country", "interval", "version"], name="price_version_unique"
            ),
            # Two staff adding a version at once must not leave two prices on offer.
            models.UniqueConstraint(
                fields=["plan", "currency", "country", "interval"],
                condition=Q(superseded_at=None),
                name="price_one_current",
            ),
            # Nothing is free by mistake.
            models.CheckConstraint(condition=Q(amount__gt=0), name="price_amount_positive"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="price_currency_is_iso"),
            models.CheckConstraint(condition=Q(country__regex=r"^([A-Z]{2})?$"), name="price_country_is_iso"),
            models.CheckConstraint(
                condition=Q(superseded_at=None) | Q(superseded_at__gte=F("created_at")),
                name="price_superseded_after_creation",
            ),
            # A low price without its end would be paid for ever, an end without a price is none.
            models.CheckConstraint(
                condition=Q(intro_amount=None, intro_periods=None)
                | Q(intro_amount__gt=0, intro_amount__lt=F("amount"), intro_periods__gte=1),
                name="price_intro_is_whole_and_lower",
            ),
        ]

    def __str__(self) -> str:
        values = {"amount": money.shown(Money(self.amount, self.currency)), "version": self.version}
        is_yearly = self.interval == self.IntervalChoices.YEAR
        a_month, a_year = (
            gettext("%(amount)s a month, version %(version)s"),
            gettext("%(amount)s a year, version %(version)s"),
        )
        return (a_year if is_yearly else a_month) % values

    @property
    def line(self) -> tuple[UUID, str, str, str]:
        """What all versions of a price have in common."""
        return self.plan_id, self.currency, self.country, self.interval

    def introduces(self, ordinal: int) -> bool:
        """Answer whether a subscriber's period number `ordinal`, from 0, costs the introductory amount."""
        return self.intro_periods is not None and ordinal < self.intro_periods

    def amount_of(self, ordinal: int) -> int:
        """Answer what a subscriber's period number `ordinal`, from 0, costs in minor units."""
        return self.intro_amount if self.intro_amount is not None and self.introduces(ordinal) else self.amount
