"""Cards, tries to charge them, and what Stripe tells us."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.decorators import display

from billing.admin.base import BAD, GOOD, NOTHING, OVER, WAITING, Coloured, OfPerson, amount_of, as_json, link, links
from billing.models import PaymentAttempt, PaymentMethod, Refund, WebhookEvent
from billing.selectors import webhooks
from billing.services import webhooks as services
from billing.words import in_words
from core import clock
from core.words import gettext_lazy as _


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(OfPerson):
    """Tries to charge, with what was sent."""

    person = "invoice.account_id"
    list_display = (
        "invoice",
        "n",
        "customer",
        "amount_label",
        "state_label",
        "payment_method",
        "decline_label",
        "gateway_id",
        "sent_at",
    )
    list_filter = ("state", "decline_class")
    list_select_related = ("invoice__account", "payment_method")
    search_fields = ("=gateway_id", "=invoice__number", "=invoice__account__email")
    search_help_text = _("A whole PaymentIntent id, invoice number or e-mail address.")
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "invoice",
                    "n",
                    "customer",
                    "amount_label",
                    "state_label",
                    "decline_label",
                    "decline_class",
                    "payment_method",
                    "created_at",
                    "sent_at",
                    "settled_at",
                    "went_back",
                )
            },
        ),
        (_("At Stripe"), {"fields": ("gateway_id", "idempotency_key", "sent", "claimed_until")}),
    )
    readonly_fields = ("customer", "amount_label", "state_label", "decline_label", "went_back", "sent")

    @display(description=_("customer"))
    def customer(self, attempt: PaymentAttempt) -> str:
        """Link to the account."""
        return link(attempt.invoice.account)

    @display(description=_("amount"))
    def amount_label(self, attempt: PaymentAttempt) -> str:
        """Show major units."""
        return amount_of(attempt.invoice.due, attempt.invoice.currency)

    @display(description=_("decline"), ordering="decline_code")
    def decline_label(self, attempt: PaymentAttempt) -> str:
        """Write the bank's code for people."""
        return in_words(attempt.decline_code) or NOTHING

    @display(description=_("refunds, disputes and warnings"))
    def went_back(self, attempt: PaymentAttempt) -> str:
        """Link to what became of the money."""
        return links(
            [
                *Refund.objects.filter(attempt=attempt).order_by("pk"),
                *attempt.disputes.order_by("pk"),
                *attempt.fraud_warnings.order_by("pk"),
            ]
        )

    @display(description=_("what is sent"))
    def sent(self, attempt: PaymentAttempt) -> str:
        """Show the parameters of each call."""
        return as_json(attempt.params)

    @display(
        description=_("state"),
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
    def state_label(self, attempt: PaymentAttempt) -> Coloured:
        """Colour the state."""
        return Coloured(attempt.state, attempt.get_state_display())


@admin.register(PaymentMethod)
class PaymentMethodAdmin(OfPerson):
    """Saved cards, as much of them as may be shown."""

    person = "account_id"

    list_display = (
        "account",
        "__str__",
        "expires",
        "wallet",
        "is_default",
        "is_backup",
        "removed_at",
    )
    list_select_related = ("account",)
    search_fields = ("=account__email", "=gateway_id")
    search_help_text = _("A whole e-mail address or payment method id.")
    ordering = ("-pk",)
    exclude = ("fingerprint", "expiry_warned")

    @display(description=_("expires"))
    def expires(self, card: PaymentMethod) -> str:
        """Write the end as it stands on the card."""
        return f"{card.exp_month:02}/{card.exp_year}"


TYPES = {
    "payment_intent.": _("payments"),
    "refund.": _("refunds"),
    "charge.dispute.": _("disputes"),
    "radar.early_fraud_warning.": _("warnings of fraud"),
    "payment_method.": _("saved cards"),
}


class TypeFilter(admin.SimpleListFilter):
    """What events are about, without asking the table for the types that there are."""

    title = _("type")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer what we act upon."""
        return list(TYPES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        """Keep the types asked for."""
        beginning = self.value() or ""
        return queryset.filter(type__startswith=beginning) if beginning in TYPES else queryset


@admin.register(WebhookEvent)
class WebhookEventAdmin(OfPerson):
    """What Stripe told us, and what became of it."""

    person = ""

    list_display = ("event_id", "type", "status_label", "tries", "note", "received_at", "processed_at")
    list_filter = ("status", TypeFilter)
    search_fields = ("=event_id",)
    search_help_text = _("A whole event id.")
    ordering = ("-pk",)
    exclude = ("payload",)
    readonly_fields = ("body",)
    actions = ("try_again",)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to have what failed tried again."""
        return request.user.has_perm("billing.retry_setback")

    @admin.action(description=_("Try again now"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        """Have the next run apply what was given up."""

        def again(event: WebhookEvent, by: str) -> object:
            return services.try_again(event_id=event.event_id, by=by, now=clock.now())

        self.carry_out(request, queryset, again, gettext("to be tried again"))

    @display(description=_("payload"))
    def body(self, event: WebhookEvent) -> str:
        """Show the event as it arrived, without secrets, which older ones hold."""
        return as_json(webhooks.without_secrets(event.payload))

    def accounts_of(self, row: Model) -> set[UUID]:
        """Answer whom an event tells of: no relation leads there."""
        return webhooks.accounts_of(cast("WebhookEvent", row))

    @display(
        description=_("status"),
        ordering="status",
        label={
            WebhookEvent.Status.RECEIVED: WAITING,
            WebhookEvent.Status.PARKED: WAITING,
            WebhookEvent.Status.PROCESSED: GOOD,
            WebhookEvent.Status.IGNORED: OVER,
            WebhookEvent.Status.FAILED: BAD,
        },
    )
    def status_label(self, event: WebhookEvent) -> Coloured:
        """Colour the status."""
        return Coloured(event.status, event.get_status_display())
