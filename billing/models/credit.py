"""What customers have with us: gifts they redeemed, credit we gave, and small sums carried to their next invoice.

A grant says where credit came from and how much of it is left; a use says which invoice took it. Together
they are the whole truth of a balance, and what the ledger's two liabilities must equal.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery, Sum
from django.utils.translation import gettext_lazy as _

from billing.models.invoices import Invoice
from billing.models.subscriptions import BILLABLE, Subscription
from core import money
from core.ids import new_id
from core.money import Money


class CreditGrantQuerySet(models.QuerySet["CreditGrant"]):
    """Questions about credit, and its lock."""

    def of(self, account_id: UUID) -> CreditGrantQuerySet:
        return self.filter(account=account_id, state=CreditGrant.State.GRANTED)

    def spendable(self, account_ids: Collection[UUID], now: datetime) -> CreditGrantQuerySet:
        """Find what invoices written at `now` take into account, debts too."""
        return self.filter(account__any=account_ids, created_at__lte=now).exclude(remaining=0)

    def uncollected(self) -> CreditGrantQuerySet:
        """Find debts that no next invoice collects, beyond their customers' credit: they have left, or are about to."""
        billed_on = Subscription.objects.filter(
            account=OuterRef("account"), price__currency=OuterRef("currency"), status__in=BILLABLE, cancel_at=None
        )
        of_account = CreditGrant.objects.filter(account=OuterRef("account"), currency=OuterRef("currency"))
        balances = of_account.order_by().values("account").annotate(balance=Sum("remaining")).values("balance")
        return (
            self.filter(~Exists(billed_on), remaining__lt=0).annotate(balance=Subquery(balances)).filter(balance__lt=0)
        )

    def locked(self) -> CreditGrantQuerySet:
        """Lock after the invoice and its attempts, before the counter."""
        return self.order_by("pk").select_for_update(of=("self",))


class CreditGrant(models.Model):
    """An amount that pays invoices, oldest first. `carried` and `owed` ones are negative: what is still owed of an invoice."""

    class Kind(models.TextChoices):
        GIFT = "gift", _("gift redeemed")
        CHANGE = "change", _("change of plan")
        GOODWILL = "goodwill", _("goodwill")
        OVERPAID = "overpaid", _("charged for an invoice that was not owed any more")
        CARRIED = "carried", _("too little to charge, carried to the next invoice")
        OWED = "owed", _("given back to a card, owed again")

    class State(models.TextChoices):
        REQUESTED = "requested", _("waits for a second person")
        GRANTED = "granted", _("granted")
        REFUSED = "refused", _("refused")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="credit_grants", db_index=False
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=9, choices=State.choices, default=State.GRANTED)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField(help_text=_("Minor units."))
    remaining = models.BigIntegerField(help_text=_("What no invoice has taken yet."))
    source_key = models.CharField(max_length=120, help_text=_("What it was given for; each cause gives once."))
    reason = models.CharField(max_length=200, blank=True)
    requested_by = models.CharField(max_length=100)
    approved_by = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField()

    objects = CreditGrantQuerySet.as_manager()

    class Meta:
        permissions = [
            ("grant_credit", "Can give a customer credit"),
            ("approve_credit", "Can approve credit that somebody else asked for"),
        ]
        constraints = [
            # A retried request must not give twice.
            models.UniqueConstraint(fields=["source_key"], name="credit_grant_source_unique"),
            # Two invoices at once must not spend one grant together; a debt may turn into credit when the
            # invoice that it was left over from is given back after it was paid.
            models.CheckConstraint(
                condition=Q(kind="carried", amount__lt=0, remaining__gte=F("amount"), remaining__lte=-F("amount"))
                # It may even be paid, the invoice given back, and the refund that it came of fail after all.
                | Q(kind="owed", amount__lt=0, remaining__gte=F("amount"), remaining__lte=F("amount") * -2)
                | (~Q(kind__in=["carried", "owed"]) & Q(amount__gt=0, remaining__gte=0, remaining__lte=F("amount"))),
                name="credit_grant_remaining_within",
            ),
            models.CheckConstraint(
                condition=Q(state="granted") | Q(remaining=0), name="credit_grant_counts_when_granted"
            ),
            # Four eyes: nobody approves what they asked for.
            models.CheckConstraint(condition=~Q(approved_by=F("requested_by")), name="credit_grant_by_another"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="credit_grant_currency_is_iso"),
        ]
        indexes = [
            # What an invoice may take, oldest first.
            models.Index(
                fields=["account", "currency", "created_at"], condition=~Q(remaining=0), name="credit_grant_open"
            ),
            # A customer's statement.
            models.Index(F("account"), F("id").desc(), name="credit_grant_of_account"),
        ]

    def __str__(self) -> str:
        return f"{money.shown(Money(self.amount, self.currency))}, {self.get_kind_display()}"


class CreditUse(models.Model):
    """What one invoice took of one grant; `returned` is what came back when it was void or given back."""

    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="uses")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_uses", db_index=False)
    amount = models.BigIntegerField(help_text=_("Minor units; negative where the invoice took over a debt."))
    returned = models.BigIntegerField(default=0)
    used_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "grant"], name="credit_use_once_an_invoice"),
            # Nothing comes back that was not taken.
            models.CheckConstraint(
                condition=Q(amount__gt=0, returned__gte=0, returned__lte=F("amount"))
                | Q(amount__lt=0, returned__lte=0, returned__gte=F("amount")),
                name="credit_use_returned_within",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} on {self.invoice_id}"
