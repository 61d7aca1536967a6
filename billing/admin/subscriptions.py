"""Subscriptions: where they stand, and what staff may do about it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext
from unfold.decorators import display

from accounts import selectors as accounts
from billing import rules, stripe_gateway
from billing.admin.base import (
    BAD,
    GOOD,
    NOTHING,
    OVER,
    WAITING,
    Coloured,
    OfPerson,
    ReadOnlyInline,
    amount_of,
    is_parked,
    link,
    links,
    list_link,
    standing,
)
from billing.models import (
    AccessGrant,
    CreditGrant,
    Dispute,
    Invoice,
    ParkedSubscription,
    PaymentMethod,
    Price,
    Subscription,
    SubscriptionTransition,
    TaxPlace,
)
from billing.services import parking, subscriptions
from billing.words import in_words
from core import clock
from core.words import gettext_lazy as _

PARKED = "parked"


class TransitionInline(ReadOnlyInline):
    """Who changed what, when and why."""

    model = SubscriptionTransition
    fields = ("at", "from_label", "to_label", "by_name", "reason_label")
    readonly_fields = ("from_label", "to_label", "by_name", "reason_label")
    ordering = ("-pk",)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Know who they all were; an inline is made anew for each request."""
        acts = SubscriptionTransition.objects.filter(subscription=obj)
        self._names = accounts.names_of(acts.values_list("by", flat=True))
        return super().get_formset(request, obj, **kwargs)

    @display(description=_("by"))
    def by_name(self, transition: SubscriptionTransition) -> str:
        """Name who it was."""
        return self._names.get(transition.by, transition.by)

    @display(description=_("status before"))
    def from_label(self, transition: SubscriptionTransition) -> str:
        """Name the status of before."""
        return in_words(transition.from_status) or NOTHING

    @display(description=_("status after"))
    def to_label(self, transition: SubscriptionTransition) -> str:
        """Name the status of then on."""
        return in_words(transition.to_status)

    @display(description=_("reason"))
    def reason_label(self, transition: SubscriptionTransition) -> str:
        """Write for people what the platform calls it."""
        return in_words(transition.reason)


class InvoiceInline(ReadOnlyInline):
    """What was billed, the newest first."""

    model = Invoice
    fields = ("number_link", "kind", "total_label", "status", "finalised_at", "paid_at")
    readonly_fields = ("number_link", "total_label")
    ordering = ("-pk",)

    @display(description=_("number"))
    def number_link(self, invoice: Invoice) -> str:
        """Link to the invoice."""
        return link(invoice)

    @display(description=_("total"))
    def total_label(self, invoice: Invoice) -> str:
        """Show major units."""
        return amount_of(invoice.total, invoice.currency)


class TaxPlaceInline(ReadOnlyInline):
    """Where it is priced and taxed, and by what evidence."""

    model = TaxPlace
    verbose_name_plural = _("tax country, by evidence")
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
        "parked_label",
    )
    list_filter: ClassVar[Any] = ("status", ("parked_at", admin.EmptyFieldListFilter))
    list_select_related = ("account", "price__plan")
    search_fields = ("=account__email", "=id")
    search_help_text = _("A whole e-mail address or id.")
    ordering: ClassVar[Any] = ("-pk",)
    inlines = (InvoiceInline, TaxPlaceInline, TransitionInline)
    actions = ("cancel_at_period_end", "unpark")
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("account", "plan", "next_plan", "status_label", "customers", "disputes")}),
        (
            _("What comes next"),
            {"fields": ("paid_through", "next_step", "next_bill_at", "cancel_at", "pause_at", "resume_at", "moves_at")},
        ),
        (
            _("What went wrong"),
            {"fields": ("first_failed_at", "parked_at", "why", "way_out", "claimed_until")},
        ),
        (
            _("Calendar"),
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

    @admin.action(description=_("Cancel at the end of what is paid for"), permissions=["cancel"])
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

        self.carry_out(request, queryset, cancel, gettext("cancelled"))

    @admin.action(description=_("Put back into the schedule"), permissions=["unpark"])
    def unpark(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Bill again what was parked."""

        def unpark(subscription: Subscription, by: str) -> object:
            return parking.put_back(subscription_id=subscription.pk, now=clock.now(), by=by)

        self.carry_out(request, queryset, unpark, gettext("put back"))

    @display(description=_("of the customer"))
    def customers(self, subscription: Subscription) -> str:
        """Link to what else the customer has."""
        account = str(subscription.account_id)
        return format_html_join(
            " · ",
            "{}",
            (
                (list_link(model, text, **{f"{name}__id__exact": account}),)
                for model, name, text in (
                    (Invoice, "account", gettext("all invoices")),
                    (PaymentMethod, "account", gettext("saved cards")),
                    (CreditGrant, "account", gettext("customer credit")),
                    (AccessGrant, "account", gettext("access given")),
                )
            ),
        )

    @display(description=_("disputes"))
    def disputes(self, subscription: Subscription) -> str:
        """Link to the payments that a bank took back."""
        return links(Dispute.objects.filter(attempt__invoice__subscription=subscription).order_by("-pk"))

    @display(description=_("next plan"))
    def next_plan(self, subscription: Subscription) -> str:
        """Name what the next period is billed by, if it is another."""
        price = subscription.pending_price
        return _priced(price) if price else NOTHING

    @display(description=_("why parked"), ordering="parked_reason")
    def why(self, subscription: Subscription) -> str:
        """Say the reason in words."""
        reason = subscription.parked_reason
        return f"{parking.way(reason).why} ({reason})" if reason else NOTHING

    @display(description=_("way out"))
    def way_out(self, subscription: Subscription) -> str:
        """Say what leads out of it."""
        return parking.way(subscription.parked_reason).out if subscription.parked_reason else NOTHING

    @display(description=_("parked"), ordering="parked_reason")
    def parked_label(self, subscription: Subscription) -> str:
        """Name the reason in short."""
        return in_words(subscription.parked_reason) or NOTHING

    @display(description=_("plan"))
    def plan(self, subscription: Subscription) -> str:
        """Name the plan and its price."""
        return _priced(subscription.price)

    @display(
        description=_("status"),
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
            PARKED: BAD,
        },
    )
    def status_label(self, subscription: Subscription) -> Coloured:
        """Colour the status."""
        return Coloured(PARKED if is_parked(subscription) else subscription.status, standing(subscription))


def _priced(price: Price) -> str:
    """Answer a plan with what it costs in which time."""
    values = {"plan": price.plan.name, "amount": amount_of(price.amount, price.currency)}
    month, year = gettext("%(plan)s, %(amount)s a month"), gettext("%(plan)s, %(amount)s a year")
    return (month if price.interval == rules.Interval.MONTH else year) % values


class ParkedReasonFilter(admin.SimpleListFilter):
    """The reasons that there are: few are parked, and they are found without the others."""

    title = _("reason")
    parameter_name = "parked_reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the reasons of what is parked."""
        reasons = ParkedSubscription.objects.order_by("parked_reason").values_list("parked_reason", flat=True)
        return [(reason, in_words(reason)) for reason in reasons.distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> QuerySet[Subscription]:
        """Keep the reason asked for."""
        return queryset.filter(parked_reason=self.value()) if self.value() else queryset


@admin.register(ParkedSubscription)
class ParkedSubscriptionAdmin(SubscriptionAdmin):
    """What stands still, oldest first: why, the way out, and the action that takes it."""

    list_display: Any = ("account", "plan", "status_label", "parked_at", "why", "way_out")
    list_filter: ClassVar[Any] = (ParkedReasonFilter, "status")
    ordering: ClassVar[Any] = ("parked_at", "pk")
