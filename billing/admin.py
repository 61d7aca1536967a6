"""Billing in the admin: offers are edited, everything that was charged is only looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.forms import Form, ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from billing import rules, stripe_gateway
from billing.models import (
    Coupon,
    Dispute,
    Invoice,
    InvoiceLine,
    JournalEntry,
    JournalLine,
    PaymentAttempt,
    PaymentMethod,
    Plan,
    PlanFamily,
    Price,
    Refund,
    Subscription,
    SubscriptionTransition,
    TaxRate,
    TieOut,
    WebhookEvent,
)
from billing.services import plans, refunds, subscriptions
from core import clock, money
from core.errors import DomainError
from core.money import Money

GOOD, WAITING, BAD, OVER = "success", "warning", "danger", "info"


class ReadOnly(ModelAdmin):
    """A table that only services write."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class ReadOnlyInline(TabularInline):
    """Rows that belong to the one shown."""

    extra = 0
    max_num = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


def _as_json(value: object) -> str:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


# ---------------------------------------------------------------- offers


@admin.register(PlanFamily)
class PlanFamilyAdmin(ModelAdmin):
    """Families of plans."""

    list_display = ("name", "code", "fallback_currency")


@admin.register(Plan)
class PlanAdmin(ModelAdmin):
    """Plans and what they permit; withdrawn from sale, never deleted."""

    list_display = ("name", "code", "tier", "max_streams", "max_resolution", "with_ads", "on_sale")
    list_select_related = ("family",)
    ordering = ("family__code", "tier")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what other systems know a plan by."""
        return ("family", "code", "tier") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: subscriptions and invoices point here."""
        return False


class CurrentFilter(admin.SimpleListFilter):
    """Prices on offer unless the superseded ones are asked for."""

    title = "version"
    parameter_name = "version"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the old ones."""
        return [("all", "all versions")]

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
            raise ValidationError({"amount": str(error)}) from error
        return wanted


@admin.register(Price)
class PriceAdmin(ModelAdmin):
    """Prices. Adding one puts it in place of the present version; none is ever edited."""

    list_display = ("plan", "amount_label", "interval", "place", "tax_behavior", "version", "superseded_at")
    list_filter = (CurrentFilter, "plan", "currency")
    list_select_related = ("plan",)
    ordering = ("plan__tier", "currency", "country", "-version")
    form = PriceForm
    fields = ("plan", "currency", "country", "interval", "amount", "tax_behavior")

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
        )
        wanted.pk = made.pk

    @display(description="amount", ordering="amount")
    def amount_label(self, price: Price) -> str:
        """Show major units."""
        return str(Money(price.amount, price.currency))

    @display(description="country", ordering="country")
    def place(self, price: Price) -> str:
        """Name the country."""
        return price.country or "everywhere"


# ---------------------------------------------------------------- subscriptions


class TransitionInline(ReadOnlyInline):
    """Who changed what, when and why."""

    model = SubscriptionTransition
    fields = ("at", "from_status", "to_status", "by", "reason")
    ordering = ("-pk",)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnly):
    """Subscriptions: where they stand, and what staff may do about it."""

    list_display = ("account", "plan", "status_label", "paid_through", "next_step", "next_bill_at", "parked_reason")
    list_filter = ("status", ("parked_at", admin.EmptyFieldListFilter))
    list_select_related = ("account", "price__plan")
    search_fields = ("=account__email", "=id")
    search_help_text = "A whole e-mail address or id."
    ordering = ("-pk",)
    inlines = (TransitionInline,)
    actions = ("cancel_at_period_end", "unpark")
    exclude = ("request_key",)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to cancel."""
        return request.user.has_perm("billing.cancel_subscription")

    def has_unpark_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to put back what was parked."""
        return request.user.has_perm("billing.unpark_subscription")

    @admin.action(description="Cancel at the end of what is paid for", permissions=["cancel"])
    def cancel_at_period_end(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Cancel for the customer."""

        def cancel(subscription: Subscription, by: str) -> object:
            return subscriptions.cancel(
                account_id=subscription.account_id,
                subscription_id=subscription.pk,
                gateway=stripe_gateway.connect(),
                now=clock.now(),
                by=by,
            )

        self._each(request, queryset, cancel, "cancelled")

    @admin.action(description="Put back into the schedule", permissions=["unpark"])
    def unpark(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Bill again what was parked."""

        def unpark(subscription: Subscription, by: str) -> object:
            return subscriptions.unpark(subscription_id=subscription.pk, now=clock.now(), by=by)

        self._each(request, queryset, unpark, "put back")

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Subscription],
        act: Callable[[Subscription, str], object],
        done: str,
    ) -> None:
        count = 0
        for subscription in queryset:
            try:
                act(subscription, f"staff:{request.user.pk}")
            except DomainError as error:
                self.message_user(request, f"{subscription}: {error}", messages.ERROR)
            else:
                self.log_change(request, subscription, done)
                count += 1
        if count:
            self.message_user(request, f"{count} {done}.", messages.SUCCESS)

    @display(description="plan")
    def plan(self, subscription: Subscription) -> str:
        """Name the plan and its price."""
        price = subscription.price
        return f"{price.plan.name}, {Money(price.amount, price.currency)} a {price.interval}"

    @display(
        description="status",
        ordering="status",
        label={
            rules.Status.ACTIVE: GOOD,
            rules.Status.TRIALING: GOOD,
            rules.Status.INCOMPLETE: WAITING,
            rules.Status.PAST_DUE: WAITING,
            rules.Status.PAUSED: WAITING,
            rules.Status.ON_HOLD: BAD,
            rules.Status.CANCELED: OVER,
            rules.Status.ENDED: OVER,
        },
    )
    def status_label(self, subscription: Subscription) -> str:
        """Colour the status."""
        return subscription.status


# ---------------------------------------------------------------- invoices and payments


class LineInline(ReadOnlyInline):
    """The lines, each with how it came about."""

    model = InvoiceLine
    fields = ("position", "description", "amount", "how")
    readonly_fields = ("how",)
    ordering = ("position",)

    @display(description="derivation")
    def how(self, line: InvoiceLine) -> str:
        """Show what the amount was computed from."""
        return _as_json(line.derivation)


class AttemptInline(ReadOnlyInline):
    """The tries to collect it."""

    model = PaymentAttempt
    fields = ("n", "state", "payment_method", "gateway_id", "decline_code", "sent_at", "settled_at")
    ordering = ("n",)


@admin.register(Invoice)
class InvoiceAdmin(ReadOnly):
    """Invoices, with their lines and the tries to collect them."""

    list_display = ("number", "account", "total_label", "status_label", "kind", "finalised_at", "paid_at")
    list_filter = ("status", "kind", "currency")
    list_select_related = ("account",)
    search_fields = ("=number", "=account__email")
    search_help_text = "A whole number or e-mail address."
    ordering = ("-pk",)
    inlines: ClassVar[Any] = (LineInline, AttemptInline)
    actions = ("refund_in_full",)
    fields = (
        "number",
        "status_label",
        "total_label",
        "account",
        "subscription",
        "period",
        "kind",
        "finalised_at",
        "paid_at",
    )
    readonly_fields = ("status_label", "total_label")

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to give money back."""
        return request.user.has_perm("billing.request_refund")

    @admin.action(description="Refund in full", permissions=["refund"])
    def refund_in_full(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> None:
        """Ask for a refund of all that was charged; a large one waits for a second person."""
        for invoice in queryset:
            try:
                refund = refunds.request(
                    invoice_id=invoice.pk,
                    amount=invoice.due,
                    reason="in full, by staff",
                    by=f"staff:{request.user.pk}",
                    now=clock.now(),
                )
            except DomainError as error:
                self.message_user(request, f"{invoice}: {error}", messages.ERROR)
            else:
                self.log_change(request, invoice, "refund requested")
                self.message_user(request, f"{invoice}: {refund.get_state_display()}.", messages.SUCCESS)

    @display(description="total", ordering="total")
    def total_label(self, invoice: Invoice) -> str:
        """Show major units."""
        return str(Money(invoice.total, invoice.currency))

    @display(
        description="status",
        ordering="status",
        label={
            Invoice.Status.DRAFT: OVER,
            Invoice.Status.OPEN: WAITING,
            Invoice.Status.PAID: GOOD,
            Invoice.Status.VOID: OVER,
            Invoice.Status.UNCOLLECTIBLE: BAD,
        },
    )
    def status_label(self, invoice: Invoice) -> str:
        """Colour the status."""
        return invoice.status


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ReadOnly):
    """Tries to charge, with what was sent."""

    list_display = ("invoice", "n", "state_label", "payment_method", "decline_code", "gateway_id", "sent_at")
    list_filter = ("state", "decline_class")
    list_select_related = ("invoice", "payment_method")
    search_fields = ("=gateway_id", "=invoice__number")
    search_help_text = "A whole PaymentIntent id or invoice number."
    ordering = ("-pk",)

    @display(
        description="state",
        ordering="state",
        label={
            PaymentAttempt.State.CREATED: WAITING,
            PaymentAttempt.State.SENT: WAITING,
            PaymentAttempt.State.REQUIRES_ACTION: WAITING,
            PaymentAttempt.State.SUCCEEDED: GOOD,
            PaymentAttempt.State.FAILED: BAD,
            PaymentAttempt.State.CANCELED: OVER,
        },
    )
    def state_label(self, attempt: PaymentAttempt) -> str:
        """Colour the state."""
        return attempt.state


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ReadOnly):
    """Saved cards, as much of them as may be shown."""

    list_display = ("account", "brand", "last4", "exp_month", "exp_year", "is_default", "removed_at")
    list_select_related = ("account",)
    search_fields = ("=account__email", "=gateway_id")
    search_help_text = "A whole e-mail address or payment method id."
    ordering = ("-pk",)
    exclude = ("fingerprint",)


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnly):
    """What Stripe told us, and what became of it."""

    list_display = ("event_id", "type", "status_label", "tries", "note", "received_at", "processed_at")
    list_filter = ("status", "type")
    search_fields = ("=event_id",)
    search_help_text = "A whole event id."
    ordering = ("-pk",)
    exclude = ("payload",)
    readonly_fields = ("body",)

    @display(description="payload")
    def body(self, event: WebhookEvent) -> str:
        """Show the event as it arrived."""
        return _as_json(event.payload)

    @display(
        description="status",
        ordering="status",
        label={
            WebhookEvent.Status.RECEIVED: WAITING,
            WebhookEvent.Status.PARKED: WAITING,
            WebhookEvent.Status.PROCESSED: GOOD,
            WebhookEvent.Status.IGNORED: OVER,
            WebhookEvent.Status.FAILED: BAD,
        },
    )
    def status_label(self, event: WebhookEvent) -> str:
        """Colour the status."""
        return event.status


# ---------------------------------------------------------------- books


@admin.register(TaxRate)
class TaxRateAdmin(ModelAdmin):
    """Tax rates; a new one is added beside the old, whose end is set."""

    list_display = ("country", "rate", "starts", "ends")
    list_filter = ("country",)
    ordering = ("country", "-starts")


class JournalLineInline(ReadOnlyInline):
    """Debits and credits."""

    model = JournalLine
    fields = ("account", "country", "amount")


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnly):
    """The journal."""

    list_display = ("source_key", "kind", "currency", "booked_at", "reference")
    list_filter = ("kind", "currency")
    search_fields = ("=source_key", "=reference")
    search_help_text = "A whole cause, or an id of the gateway's."
    ordering = ("-pk",)
    inlines = (JournalLineInline,)
    exclude = ("transaction",)


@admin.register(TieOut)
class TieOutAdmin(ReadOnly):
    """Each day's comparison with the gateway's balance."""

    list_display = ("day", "currency", "gateway_net", "ledger_net", "difference_label", "made_at")
    list_filter = ("currency",)
    ordering = ("-day", "currency")
    readonly_fields = ("differences",)
    exclude = ("details",)

    @display(description="difference", label={"none": GOOD, "differs": BAD})
    def difference_label(self, report: TieOut) -> tuple[str, str]:
        """Colour the difference."""
        clean = not report.difference and not report.details
        return ("none", "none") if clean else ("differs", str(report.difference))

    @display(description="differences")
    def differences(self, report: TieOut) -> str:
        """Show what one side lacks."""
        return _as_json(report.details)


# ---------------------------------------------------------------- money that goes back


@admin.register(Refund)
class RefundAdmin(ReadOnly):
    """Refunds; those that wait are approved or refused here, by somebody else than who asked."""

    list_display = ("invoice", "amount_label", "state", "reason", "requested_by", "approved_by", "requested_at")
    list_filter = ("state",)
    list_select_related = ("invoice",)
    search_fields = ("=gateway_id", "=invoice__number")
    search_help_text = "A whole refund id or invoice number."
    ordering = ("-pk",)
    actions = ("approve", "refuse")

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to approve."""
        return request.user.has_perm("billing.approve_refund")

    @admin.action(description="Approve", permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        """Let refunds be sent; a worker sends them within minutes."""
        self._each(request, queryset, lambda refund, by: refunds.approve(refund_id=refund.pk, by=by), "approved")

    @admin.action(description="Refuse", permissions=["approve"])
    def refuse(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        """Let refunds be forgotten."""

        def refuse(refund: Refund, by: str) -> object:
            return refunds.refuse(refund_id=refund.pk, by=by, now=clock.now())

        self._each(request, queryset, refuse, "refused")

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Refund], act: Callable[[Refund, str], object], done: str
    ) -> None:
        for refund in queryset:
            try:
                act(refund, f"staff:{request.user.pk}")
            except DomainError as error:
                self.message_user(request, f"{refund}: {error}", messages.ERROR)
            else:
                self.log_change(request, refund, done)
                self.message_user(request, f"{refund}: {done}.", messages.SUCCESS)

    @display(description="amount", ordering="amount")
    def amount_label(self, refund: Refund) -> str:
        """Show major units."""
        return str(Money(refund.amount, refund.currency))


@admin.register(Dispute)
class DisputeAdmin(ReadOnly):
    """Disputes."""

    list_display = ("gateway_id", "amount", "currency", "reason", "status", "opened_at", "closed_at")
    list_filter = ("status", "reason")
    search_fields = ("=gateway_id",)
    search_help_text = "A whole dispute id."
    ordering = ("-pk",)


@admin.register(Coupon)
class CouponAdmin(ModelAdmin):
    """Coupons."""

    list_display = ("code", "percent", "amount", "currency", "periods", "redemptions", "max_redemptions", "valid_until")
    readonly_fields = ("redemptions",)
