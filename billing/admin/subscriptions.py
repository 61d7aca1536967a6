"""Subscriptions: where they stand, and what staff may do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from billing import rules, stripe_gateway
from billing.admin.base import BAD, GOOD, OVER, WAITING, ReadOnly, ReadOnlyInline
from billing.models import ParkedSubscription, Subscription, SubscriptionTransition, TaxPlace
from billing.services import parking, subscriptions
from core import clock
from core.errors import DomainError
from core.money import Money


class TransitionInline(ReadOnlyInline):
    """Who changed what, when and why."""

    model = SubscriptionTransition
    fields = ("at", "from_status", "to_status", "by", "reason")
    ordering = ("-pk",)


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


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnly):
    """Subscriptions: where they stand, and what staff may do about it."""

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
    inlines = (TaxPlaceInline, TransitionInline)
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
            return parking.put_back(subscription_id=subscription.pk, now=clock.now(), by=by)

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


@admin.register(ParkedSubscription)
class ParkedSubscriptionAdmin(SubscriptionAdmin):
    """What stands still, oldest first: why, the way out, and the action that takes it."""

    list_display: Any = ("account", "plan", "status_label", "parked_at", "why", "way_out")
    list_filter: ClassVar[Any] = ("parked_reason", "status")
    ordering: ClassVar[Any] = ("parked_at", "pk")

    @display(description="why", ordering="parked_reason")
    def why(self, subscription: Subscription) -> str:
        """Say the reason in words."""
        return f"{parking.way(subscription.parked_reason).why} ({subscription.parked_reason})"

    @display(description="way out")
    def way_out(self, subscription: Subscription) -> str:
        """Say what leads out of it."""
        return parking.way(subscription.parked_reason).out
