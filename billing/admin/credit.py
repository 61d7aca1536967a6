"""What customers have with us and nobody pays for: credit, gifts, and access given by staff."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.decorators import display

from billing.admin.base import (
    BAD,
    GOOD,
    OVER,
    WAITING,
    Actor,
    Asked,
    Coloured,
    CurrencyFilter,
    OfPerson,
    UsesInline,
    amount_of,
    link,
)
from billing.admin.forms import AskingForm
from billing.models import AccessGrant, CreditGrant, CreditUse, Gift
from billing.services import access, crediting, gifts
from core import clock, money
from core.words import gettext_lazy as _

REQUESTED_BY, APPROVED_BY, GRANTED_BY, REVOKED_BY = (
    Actor(field) for field in ("requested_by", "approved_by", "granted_by", "revoked_by")
)


class LeftFilter(admin.SimpleListFilter):
    """What is left: credit, or debts, of which no invoice will collect those of customers who have left."""

    title = _("left")
    parameter_name = "left"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name them."""
        return [
            ("credit", gettext("customer credit")),
            ("debts", gettext("debts")),
            ("uncollected", gettext("debts that no next invoice collects")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Show the chosen ones."""
        match self.value():
            case "credit":
                return queryset.filter(remaining__gt=0)
            case "debts":
                return queryset.filter(remaining__lt=0)
            case "uncollected":
                return queryset.uncollected()
            case _:
                return queryset


class UseInline(UsesInline):
    """The invoices that took it."""

    fields = ("invoice_link", *UsesInline.SHOWN)
    readonly_fields = ("invoice_link", *UsesInline.LABELS)
    ordering = ("-pk",)
    reads = ("invoice", "grant")

    @display(description=_("invoice"))
    def invoice_link(self, use: CreditUse) -> str:
        """Link to the invoice."""
        return link(use.invoice)


class GoodwillForm(AskingForm):
    """Credit out of goodwill."""

    def clean(self) -> dict[str, Any]:
        """Refuse what is no amount of money."""
        wanted = super().clean() or self.cleaned_data
        if (wanted.get("amount") or 0) <= 0:
            raise ValidationError({"amount": gettext("Credit is a positive amount in minor units.")})
        try:
            money.exponent(wanted.get("currency") or "USD")
        except money.UnknownCurrency as error:
            raise ValidationError({"currency": str(error)}) from error
        return wanted


@admin.register(CreditGrant)
class CreditGrantAdmin(Asked):
    """Credit. Adding some gives it out of goodwill; above the limit somebody else approves it here."""

    person = "account_id"
    list_display: Any = (
        "account",
        "kind",
        "amount_label",
        "remaining_label",
        "state_label",
        REQUESTED_BY,
        APPROVED_BY,
        "created_at",
    )
    readonly_fields: ClassVar[Any] = ("amount_label", "remaining_label", "state_label", REQUESTED_BY, APPROVED_BY)
    SHOWN: ClassVar[Any] = (
        "account",
        "kind",
        "amount_label",
        "remaining_label",
        "state_label",
        "reason",
        "source_key",
        REQUESTED_BY,
        APPROVED_BY,
        "created_at",
    )
    list_filter = ("kind", "state", LeftFilter, CurrencyFilter)
    list_select_related = ("account",)
    search_fields = ("=account__email",)
    search_help_text = _("A whole e-mail address.")
    ordering = ("-pk",)
    inlines = (UseInline,)
    form = GoodwillForm
    autocomplete_fields = ("account",)
    actions = ("approve", "refuse")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for the right to give credit."""
        return request.user.has_perm("billing.grant_credit")

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to approve."""
        return request.user.has_perm("billing.approve_credit")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask only for what staff decide."""
        return self.SHOWN if obj else ("account", "amount", "currency", "reason")

    def save_model(self, request: HttpRequest, obj: Model, form: Form, change: bool) -> None:
        """Give credit through its service."""
        wanted = cast("CreditGrant", obj)
        made = crediting.request_goodwill(
            account_id=wanted.account_id,
            amount=wanted.amount,
            currency=wanted.currency,
            reason=wanted.reason,
            by=f"staff:{request.user.pk}",
            now=clock.now(),
        )
        wanted.pk = made.pk

    @admin.action(description=_("Approve"), permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: QuerySet[CreditGrant]) -> None:
        """Let credit count."""

        def approve(row: CreditGrant, by: str) -> object:
            return crediting.approve(grant_id=row.pk, by=by, now=clock.now())

        self.carry_out(request, queryset, approve, gettext("approved"))

    @admin.action(description=_("Refuse"), permissions=["approve"])
    def refuse(self, request: HttpRequest, queryset: QuerySet[CreditGrant]) -> None:
        """Let asked-for credit be forgotten."""
        self.carry_out(request, queryset, lambda row, _: crediting.refuse(grant_id=row.pk), gettext("refused"))

    @display(description=_("amount"), ordering="amount")
    def amount_label(self, grant: CreditGrant) -> str:
        """Show major units."""
        return amount_of(grant.amount, grant.currency)

    @display(description=_("left"), ordering="remaining")
    def remaining_label(self, grant: CreditGrant) -> str:
        """Show major units."""
        return amount_of(grant.remaining, grant.currency)

    @display(
        description=_("state"),
        ordering="state",
        label={
            CreditGrant.State.REQUESTED: WAITING,
            CreditGrant.State.GRANTED: GOOD,
            CreditGrant.State.REFUSED: OVER,
        },
    )
    def state_label(self, grant: CreditGrant) -> Coloured:
        """Colour the state."""
        return Coloured(grant.state, grant.get_state_display())


@admin.register(Gift)
class GiftAdmin(OfPerson):
    """Gifts. Their codes are shown to nobody here."""

    person = "buyer_id"
    others = ("redeemed_by_id",)

    list_display = (
        "buyer",
        "amount_label",
        "state_label",
        "recipient_email",
        "deliver_at",
        "delivered_at",
        "expires_on",
    )
    list_filter = ("state", CurrencyFilter)
    list_select_related = ("buyer",)
    search_fields = ("=buyer__email", "=recipient_email", "=invoice__number")
    search_help_text = _("A whole e-mail address or invoice number.")
    ordering = ("-pk",)
    fields = (
        "buyer",
        "invoice",
        "amount_label",
        "state_label",
        "country",
        "sender_name",
        "recipient_name",
        "recipient_email",
        "message",
        "language",
        "deliver_at",
        "delivered_at",
        "expires_on",
        "redeemed_by",
        "redeemed_at",
        "created_at",
    )
    readonly_fields = ("amount_label", "state_label")
    actions = ("give_back",)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to give gifts back."""
        return request.user.has_perm("billing.refund_gift")

    @admin.action(description=_("Refund to the buyer"), permissions=["refund"])
    def give_back(self, request: HttpRequest, queryset: QuerySet[Gift]) -> None:
        """Give back what nobody has redeemed."""

        def give_back(row: Gift, by: str) -> object:
            return gifts.give_back(gift_id=row.pk, by=by, now=clock.now())

        self.carry_out(request, queryset, give_back, gettext("refund requested"))

    @display(description=_("amount"), ordering="amount")
    def amount_label(self, gift: Gift) -> str:
        """Show major units."""
        return amount_of(gift.amount, gift.currency)

    @display(
        description=_("state"),
        ordering="state",
        label={
            Gift.State.UNPAID: WAITING,
            Gift.State.PAID: GOOD,
            Gift.State.REDEEMED: OVER,
            Gift.State.EXPIRED: OVER,
            Gift.State.REFUNDED: OVER,
            Gift.State.VOID: BAD,
        },
    )
    def state_label(self, gift: Gift) -> Coloured:
        """Colour the state."""
        return Coloured(gift.state, gift.get_state_display())


class AccessForm(AskingForm):
    """Access for a time."""

    def clean(self) -> dict[str, Any]:
        """Refuse what never begins."""
        wanted = super().clean() or self.cleaned_data
        starts, ends = wanted.get("starts_at"), wanted.get("ends_at")
        if starts and ends and ends <= max(starts, clock.now()):
            raise ValidationError({"ends_at": gettext("Access begins before it ends, and ends in the future.")})
        return wanted


@admin.register(AccessGrant)
class AccessGrantAdmin(Asked):
    """Access that nobody pays for; it is given for a time, and ended here before that."""

    person = "account_id"
    list_display: Any = ("account", "plan", "kind", "starts_at", "ends_at", "reason", GRANTED_BY, "revoked_at")
    readonly_fields: ClassVar[Any] = (GRANTED_BY, REVOKED_BY)
    list_filter = ("kind", "plan", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("account", "plan")
    search_fields = ("=account__email",)
    search_help_text = _("A whole e-mail address.")
    ordering = ("-pk",)
    form = AccessForm
    autocomplete_fields = ("account",)
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for the right to give access."""
        return request.user.has_perm("billing.grant_access")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to end it."""
        return request.user.has_perm("billing.revoke_access")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask only for what staff decide."""
        wanted = ("account", "plan", "kind", "starts_at", "ends_at", "reason")
        return (*wanted, GRANTED_BY, "granted_at", REVOKED_BY, "revoked_at") if obj else wanted

    def save_model(self, request: HttpRequest, obj: Model, form: Form, change: bool) -> None:
        """Give access through its service."""
        wanted = cast("AccessGrant", obj)
        made = access.grant(
            account_id=wanted.account_id,
            plan_id=wanted.plan_id,
            kind=AccessGrant.Kind(wanted.kind),
            reason=wanted.reason,
            starts_at=wanted.starts_at,
            ends_at=wanted.ends_at,
            by=f"staff:{request.user.pk}",
            now=clock.now(),
        )
        wanted.pk = made.pk

    @admin.action(description=_("End now"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[AccessGrant]) -> None:
        """End access at once."""

        def revoke(row: AccessGrant, by: str) -> object:
            return access.revoke(grant_id=row.pk, by=by, now=clock.now())

        self.carry_out(request, queryset, revoke, gettext("ended"))
