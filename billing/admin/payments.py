"""Cards, tries to charge them, and what Stripe tells us."""

from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from billing.admin.base import BAD, GOOD, OVER, WAITING, ReadOnly, as_json
from billing.models import PaymentAttempt, PaymentMethod, WebhookEvent


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

    list_display = (
        "account",
        "brand",
        "last4",
        "exp_month",
        "exp_year",
        "wallet",
        "is_default",
        "is_backup",
        "removed_at",
    )
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
        return as_json(event.payload)

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
