"""Invoices: what was asked for and why.

An invoice is a draft until it has its number; from then on triggers refuse every change but that of
its standing, so a correction is another document and never an edit. Never compute what a customer
owes from prices: read it here.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.models.plans import Price
from billing.models.subscriptions import Period, Subscription
from core.ids import new_id


class NumberSeriesQuerySet(models.QuerySet["NumberSeries"]):
    """The counter's lock."""

    def locked(self) -> NumberSeriesQuerySet:
        """Lock last and briefly: every finalisation in the series waits."""
        return self.order_by("pk").select_for_update()


class NumberSeries(models.Model):
    """The counter behind gapless numbers.

    A sequence of the database would leave a gap on every rollback; MAX + 1 would give one number twice.
    """

    entity = models.CharField(max_length=20, help_text=_("The company that issues."))
    code = models.CharField(max_length=10, help_text=_("INV for invoices; credit notes have their own."))
    year = models.PositiveSmallIntegerField()
    last = models.PositiveBigIntegerField(default=0)

    objects = NumberSeriesQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "number series"
        constraints = [
            # Two first invoices of a year at once must share one counter.
            models.UniqueConstraint(fields=["entity", "code", "year"], name="number_series_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.code}-{self.year}"


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    """Questions about invoices, and their lock."""

    def locked(self) -> InvoiceQuerySet:
        return self.order_by("pk").select_for_update(of=("self",))


class Invoice(models.Model):
    """A claim on a customer. `total` is the sum of its lines, in minor units of `currency`."""

    class Kind(models.TextChoices):
        PERIOD = "period", _("period")
        CHANGE = "change", _("change of plan")
        ONE_OFF = "one_off", _("one-off")
        DEBIT = "debit", _("credit taken back")

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        OPEN = "open", _("open")
        PAID = "paid", _("paid")
        VOID = "void", _("void")
        UNCOLLECTIBLE = "uncollectible", _("uncollectible")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="invoices", db_index=False
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="invoices", null=True, blank=True
    )
    period = models.ForeignKey(
        Period, on_delete=models.PROTECT, related_name="invoices", null=True, blank=True, db_index=False
    )
    kind = models.CharField(max_length=7, choices=Kind.choices)
    status = models.CharField(max_length=13, choices=Status.choices, default=Status.DRAFT)
    currency = models.CharField(max_length=3)
    country = models.CharField(
        max_length=2, blank=True, default="", db_default="", help_text=_("Whose tax it bears, ISO 3166-1.")
    )
    total = models.BigIntegerField()
    credit_applied = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text=_("Paid from gifts and credit when it was finalised; the rest is charged. Negative: more was owed."),
    )
    line_count = models.PositiveSmallIntegerField()
    series = models.ForeignKey(
        NumberSeries, on_delete=models.PROTECT, related_name="invoices", null=True, blank=True, db_index=False
    )
    sequence = models.PositiveBigIntegerField(null=True, blank=True)
    number = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001 - a draft has no number, and numbers are unique
    created_at = models.DateTimeField()
    finalised_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        constraints = [
            # Number and finalisation come together: no numbered draft, no invoice without number.
            models.CheckConstraint(
                condition=Q(status="draft", number=None, sequence=None, series=None, finalised_at=None)
                | (
                    ~Q(status="draft")
                    & Q(number__isnull=False, sequence__isnull=False, series__isnull=False, finalised_at__isnull=False)
                ),
                name="invoice_numbered_when_finalised",
            ),
            # The number's proof against doubles; its counter is the proof against gaps.
            models.UniqueConstraint(fields=["series", "sequence"], name="invoice_sequence_unique"),
            # The real guard against charging a period twice.
            models.UniqueConstraint(
                fields=["period"],
                condition=Q(kind="period") & ~Q(status="void"),
                name="invoice_one_per_period",
            ),
            models.CheckConstraint(
                condition=(Q(kind="period") & Q(period__isnull=False)) | (~Q(kind="period") & Q(period=None)),
                name="invoice_of_a_period_names_it",
            ),
            # What is sold apart from a subscription belongs to none.
            models.CheckConstraint(
                condition=(Q(kind="one_off") & Q(subscription=None))
                | (~Q(kind="one_off") & Q(subscription__isnull=False)),
                name="invoice_of_a_subscription_names_it",
            ),
            models.CheckConstraint(
                condition=(Q(status="paid") & Q(paid_at__isnull=False)) | (~Q(status="paid") & Q(paid_at=None)),
                name="invoice_paid_at_when_paid",
            ),
            # A change that costs less than nothing gives all of it as credit.
            models.CheckConstraint(
                condition=Q(total__gte=0) | Q(kind="change", total=F("credit_applied")),
                name="invoice_total_not_negative",
            ),
            # Nobody is charged less than nothing.
            models.CheckConstraint(condition=Q(total__gte=F("credit_applied")), name="invoice_due_not_negative"),
            models.CheckConstraint(condition=Q(line_count__gte=1), name="invoice_has_lines"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="invoice_currency_is_iso"),
        ]
        indexes = [
            # A customer's invoices, newest first.
            models.Index(F("account"), F("id").desc(), name="invoice_of_account"),
        ]

    def __str__(self) -> str:
        return self.number or gettext("draft %(id)s") % {"id": self.id}

    @property
    def due(self) -> int:
        """What remains to be charged, in minor units."""
        return self.total - self.credit_applied


class InvoiceLine(models.Model):
    """One amount and how it came about. Written with its invoice; triggers refuse later changes."""

    class Kind(models.TextChoices):
        PLAN = "plan", _("plan")
        UNUSED = "unused", _("credit for what is unused")
        GIFT = "gift", _("gift")
        TAKEN_BACK = "taken_back", _("credit taken back")

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines", db_index=False)
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="+", db_index=False, null=True, blank=True)
    description = models.CharField(max_length=200)
    amount = models.BigIntegerField(
        help_text=_(
            "What it adds to the total, tax included: minor units of the invoice's currency; credits are negative."
        )
    )
    discount = models.BigIntegerField(default=0, db_default=0, help_text=_("What a coupon took off before tax."))
    tax = models.BigIntegerField(default=0, db_default=0, help_text=_("The part of the amount that is tax."))
    tax_rate = models.DecimalField(
        max_digits=6,
        decimal_places=5,
        null=True,
        blank=True,
        help_text=_("At the tax point, the start of the service."),
    )
    service_start = models.DateField(null=True, blank=True, help_text=_("First day of what it pays for, local."))
    service_end = models.DateField(null=True, blank=True, help_text=_("The day after the last."))
    derivation = models.JSONField(help_text=_("What the amount was computed from, enough to compute it again."))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_position_unique"),
            models.CheckConstraint(condition=Q(discount__gte=0), name="invoice_line_discount_not_negative"),
            # A gift has no price list; everything else points at what it was billed by.
            models.CheckConstraint(
                condition=(Q(kind="gift") & Q(price=None)) | (~Q(kind="gift") & Q(price__isnull=False)),
                name="invoice_line_of_a_plan_names_its_price",
            ),
        ]

    def __str__(self) -> str:
        return self.description

    @property
    def net(self) -> int:
        """What it is without tax."""
        return self.amount - self.tax
