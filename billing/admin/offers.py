"""Plans, prices and coupons: what is offered."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.forms import Form, ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.admin import ModelAdmin
from unfold.decorators import display

from billing import entitlements, rules
from billing.admin.base import amount_of, said
from billing.models import Coupon, Plan, PlanFamily, Price
from billing.selectors import words
from billing.services import plans
from core import clock, money
from core.errors import DomainError
from core.words import gettext_lazy as _


@admin.register(PlanFamily)
class PlanFamilyAdmin(ModelAdmin):
    """Families of plans."""

    list_display = ("name", "code", "fallback_currency", "upgrades_by")


@admin.register(Plan)
class PlanAdmin(ModelAdmin):
    """Plans and what they permit; withdrawn from sale, never deleted."""

    list_display = ("name", "code", "tier", "max_streams", "max_resolution", "with_ads", "on_sale")
    list_select_related = ("family",)
    ordering = ("family__code", "tier")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what other systems know a plan by."""
        return ("family", "code", "tier") if obj else ()

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: Any) -> None:
        """Let changed features hold at once for everybody who has the plan."""
        super().save_model(request, obj, form, change)
        entitlements.forget_plan_on_commit(obj.pk)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: subscriptions and invoices point here."""
        return False


class CurrentFilter(admin.SimpleListFilter):
    """Prices on offer unless the superseded ones are asked for."""

    title = _("version")
    parameter_name = "version"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the old ones."""
        return [("all", gettext("all versions"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Price]) -> QuerySet[Price]:
        """Keep the current ones."""
        return queryset if self.value() == "all" else queryset.filter(superseded_at=None)


class PriceForm(ModelForm):  # type: ignore[type-arg] # takes no parameter at runtime
    """A new price."""

    def clean_currency(self) -> str:
        """Refuse what is no currency."""
        currency: str = self.cleaned_data["currency"]
        try:
            money.exponent(currency)
        except money.UnknownCurrency as error:
            raise ValidationError(str(error)) from error
        return currency

    def clean(self) -> dict[str, Any]:
        """Refuse what Stripe could not take."""
        wanted = super().clean() or self.cleaned_data
        try:
            plans.check_amount(amount=wanted.get("amount") or 0, currency=wanted.get("currency") or "USD")
        except DomainError as error:
            raise ValidationError({"amount": said(error)}) from error
        return wanted


@admin.register(Price)
class PriceAdmin(ModelAdmin):
    """Prices. Adding one puts it in place of the present version; none is ever edited."""

    list_display = ("plan", "amount_label", "interval", "place", "tax_behavior", "version", "applies_to_existing_from")
    list_filter = (CurrentFilter, "plan", "currency")
    list_select_related = ("plan",)
    ordering = ("plan__tier", "currency", "country", "-version")
    form = PriceForm
    fields = (
        ("plan", "interval"),
        ("currency", "country"),
        ("amount", "tax_behavior"),
        "trial_days",
        ("intro_amount", "intro_periods"),
        ("applies_to_existing_from", "notice_days"),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a version is what customers were charged by."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def save_model(self, request: HttpRequest, obj: Model, form: Form, change: bool) -> None:
        """Add a version."""
        wanted = cast("Price", obj)
        made = plans.set_price(
            plan_id=wanted.plan_id,
            currency=wanted.currency,
            country=wanted.country,
            interval=rules.Interval(wanted.interval),
            amount=wanted.amount,
            tax_behavior=Price.TaxBehavior(wanted.tax_behavior),
            now=clock.now(),
            terms=plans.Terms(
                trial_days=wanted.trial_days,
                intro_amount=wanted.intro_amount,
                intro_periods=wanted.intro_periods,
                applies_to_existing_from=wanted.applies_to_existing_from,
                notice_days=wanted.notice_days,
            ),
        )
        wanted.pk = made.pk

    @display(description=_("amount"), ordering="amount")
    def amount_label(self, price: Price) -> str:
        """Show major units."""
        return amount_of(price.amount, price.currency)

    @display(description=_("country"), ordering="country")
    def place(self, price: Price) -> str:
        """Name the country."""
        return price.country or gettext("everywhere")


@admin.register(Coupon)
class CouponAdmin(ModelAdmin):
    """Coupons."""

    list_display = ("code", "takes_off", "periods", "redemptions", "max_redemptions", "valid_until")
    search_fields = ("code",)
    readonly_fields = ("redemptions",)

    @display(description=_("takes off"))
    def takes_off(self, coupon: Coupon) -> str:
        """Write the share or the amount."""
        return (
            words.percent(coupon.percent.normalize() / 100)
            if coupon.percent
            else amount_of(coupon.amount or 0, coupon.currency)
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what was redeemed stays explained; a coupon ends by its last day."""
        return False
