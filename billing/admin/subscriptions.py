"""Subscriptions: where they stand, and what staff may do about it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.decorators import display

from accounts import selectors as accounts
from billing import rules, stripe_gateway
from billing.admin.base import (
    BAD,
    GOOD,
    NOTHING,
    OVER,
    WAITING,
    OfPerson,
    ReadOnlyInline,
    amount_of,
    link,
    links,
    list_link,
)
from billing.models import (
    AccessGrant,
    CreditGrant,
    Dispute,
    Invoice,
    ParkedSubscription,
    PaymentMethod,
    Subscription,
    SubscriptionTransition,
    TaxPlace,
)
from billing.services import parking, subscriptions
from core import clock
from core.money import Money


class TransitionInline(ReadOnlyInline):
    """Who changed what, when and why."""

    model = SubscriptionTransition
    fields = ("at", "from_status", "to_status", "by_name", "reason")
    readonly_fields = ("by_name",)
    ordering = ("-pk",)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Know who they all were; an inline is made anew for each request."""
        acts = SubscriptionTransition.objects.filter(subscription=obj)
        self._names = accounts.names_of(acts.values_list("by", flat=True))
        return super().get_formset(request, obj, **kwargs)

    @display(description="by")
    def by_name(self, transition: SubscriptionTransition) -> str:
        """Name who it was."""
        return self._names.get(transition.by, transition.by)


class InvoiceInline(ReadOnlyInline):
    """What was billed, the newest first."""

    model = Invoice
    fields = ("number_link", "kind", "total_label", "status", "finalised_at", "paid_at")
    readonly_fields = ("number_link", "total_label")
    ordering = ("-pk",)

    @display(description="number")
    def number_link(self, invoice: Invoice) -> str:
        """Link to the invoice."""
        return link(invoice)

    @display(description="total")
    def total_label(self, invoice: Invoice) -> str:
        """Show major units."""
        return amount_of(invoice.total, invoice.currency)


class TaxPlaceInline(ReadOnlyInline):
    """Where it is priced and taxed, and by what evidence."""

    model = TaxPlace
    verbose_name_plural = "tax country, by evidence"
    fields = (
        "decided_at",
        "cause",
        "declared",
        "card",
        "address",
        "postal_code",
        "country",
        "territory",
        "effective_at",
        "price",
    )
    ordering = ("-pk",)
    reads = ("price",)


@admin.register(Subscription)
class SubscriptionAdmin(OfPerson):
    """Subscriptions: where they stand, and what staff may do about it."""

    person = "account_id"

    list_display: Any = (
        "account",
        "plan",
        "status_label",
        "paid_through",
        "next_step",
        "next_bill_at",
        "parked_reason",
    )
    list_filter: ClassVar[Any] = ("status", ("parked_at", admin.EmptyFieldListFilter))
    list_select_related = ("account", "price__plan")
    search_fields = ("=account__email", "=id")
    search_help_text = "A whole e-mail address or id."
    ordering: ClassVar[Any] = ("-pk",)
    inlines = (InvoiceInline, TaxPlaceInline, TransitionInline)
    actions = ("cancel_at_period_end", "unpark")
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("account", "plan", "next_plan", "status_label", "customers", "disputes")}),
        (
            "What comes next",
            {"fields": ("paid_through", "next_step", "next_bill_at", "cancel_at", "pause_at", "resume_at", "moves_at")},
        ),
        (
            "What went wrong",
            {"fields": ("first_failed_at", "parked_at", "why", "way_out", "claimed_until")},
        ),
        (
            "Calendar",
            {
                "fields": (
                    "country",
                    "territory",
                    "billing_tz",
                    "anchor_date",
                    "anchor_time",
                    "cycle",
                    "period_index",
                    "periods_before",
                    "last_charged_at",
                    "created_at",
                    "ended_at",
                )
            },
        ),
    )
    readonly_fields: ClassVar[Any] = ("plan", "next_plan", "status_label", "customers", "disputes", "why", "way_out")

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

        self.carry_out(request, queryset, cancel, "cancelled")

    @admin.action(description="Put back into the schedule", permissions=["unpark"])
    def unpark(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Bill again what was parked."""

        def unpark(subscription: Subscription, by: str) -> object:
            return parking.put_back(subscription_id=subscription.pk, now=clock.now(), by=by)

        self.carry_out(request, queryset, unpark, "put back")

    @display(description="of the customer")
    def customers(self, subscription: Subscription) -> str:
        """Link to what else the customer has."""
        account = str(subscription.account_id)
        return format_html_join(
            " · ",
            "{}",
            (
                (list_link(model, text, **{f"{name}__id__exact": account}),)
                for model, name, text in (
                    (Invoice, "account", "all invoices"),
                    (PaymentMethod, "account", "cards"),
                    (CreditGrant, "account", "credit"),
                    (AccessGrant, "account", "access given"),
                )
            ),
        )

    @display(description="disputes")
    def disputes(self, subscription: Subscription) -> str:
        """Link to the payments that a bank took back."""
        return links(Dispute.objects.filter(attempt__invoice__subscription=subscription).order_by("-pk"))

    @display(description="next plan")
    def next_plan(self, subscription: Subscription) -> str:
        """Name what the next period is billed by, if it is another."""
        price = subscription.pending_price
        return f"{price.plan.name}, {Money(price.amount, price.currency)} a {price.interval}" if price else NOTHING

    @display(description="why parked", ordering="parked_reason")
    def why(self, subscription: Subscription) -> str:
        """Say the reason in words."""
        reason = subscription.parked_reason
        return f"{parking.way(reason).why} ({reason})" if reason else NOTHING

    @display(description="way out")
    def way_out(self, subscription: Subscription) -> str:
        """Say what leads out of it."""
        return parking.way(subscription.parked_reason).out if subscription.parked_reason else NOTHING

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


class ParkedReasonFilter(admin.SimpleListFilter):
    """The reasons that there are: few are parked, and they are found without the others."""

    title = "reason"
    parameter_name = "parked_reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the reasons of what is parked."""
        reasons = ParkedSubscription.objects.order_by("parked_reason").values_list("parked_reason", flat=True)
        return [(reason, reason.replace("_", " ")) for reason in reasons.distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> QuerySet[Subscription]:
        """Keep the reason asked for."""
        return queryset.filter(parked_reason=self.value()) if self.value() else queryset


@admin.register(ParkedSubscription)
class ParkedSubscriptionAdmin(SubscriptionAdmin):
    """What stands still, oldest first: why, the way out, and the action that takes it."""

    list_display: Any = ("account", "plan", "status_label", "parked_at", "why", "way_out")
    list_filter: ClassVar[Any] = (ParkedReasonFilter, "status")
    ordering: ClassVar[Any] = ("parked_at", "pk")
