"""Early warnings of fraud, and what was done about them."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.decorators import display

from billing.admin.base import BAD, GOOD, OVER, Coloured, InWordsFilter, OfPayment, amount_of, said
from billing.models import FraudWarning
from billing.services import fraud
from billing.words import in_words
from core.errors import DomainError
from core.words import gettext_lazy as _


@admin.register(FraudWarning)
class FraudWarningAdmin(OfPayment):
    """Early warnings of fraud, and what was done; those that wait are dismissed here, or their invoice is refunded."""

    list_display = (
        "gateway_id",
        "customer",
        "invoice",
        "amount_label",
        "type_label",
        "action_label",
        "refund",
        "received_at",
    )
    list_filter = ("action", ("fraud_type", InWordsFilter))
    list_select_related = ("attempt__invoice__account", "refund")
    search_fields = (
        "=gateway_id",
        "=attempt__gateway_id",
        "=attempt__invoice__number",
        "=attempt__invoice__account__email",
    )
    search_help_text = _("A whole warning or PaymentIntent id, invoice number or e-mail address.")
    ordering = ("-pk",)
    actions = ("dismiss",)
    fields = (
        "gateway_id",
        "type_label",
        "action_label",
        "amount_label",
        "customer",
        "subscription",
        "invoice",
        "payment",
        "refund",
        "received_at",
    )
    readonly_fields = ("type_label", "action_label", "amount_label", "customer", "subscription", "invoice", "payment")

    @display(description=_("amount"))
    def amount_label(self, warning: FraudWarning) -> str:
        """Show major units."""
        return amount_of(warning.attempt.invoice.due, warning.attempt.invoice.currency)

    @display(description=_("type"), ordering="fraud_type")
    def type_label(self, warning: FraudWarning) -> str:
        """Write the bank's word for people."""
        return in_words(warning.fraud_type)

    @display(
        description=_("what was done"),
        ordering="action",
        label={
            FraudWarning.Action.REFUNDED: GOOD,
            FraudWarning.Action.PARKED: BAD,
            FraudWarning.Action.NONE: OVER,
        },
    )
    def action_label(self, warning: FraudWarning) -> Coloured:
        """Colour the action."""
        return Coloured(warning.action, warning.get_action_display())

    def has_dismiss_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to put back what was parked."""
        return request.user.has_perm("billing.unpark_subscription")

    @admin.action(description=_("Dismiss: it was the customer"), permissions=["dismiss"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[FraudWarning]) -> None:
        """Let the payment stand; a gift can be redeemed again."""
        for warning in queryset:
            try:
                fraud.dismiss(warning_id=warning.pk)
            except DomainError as error:
                self.message_user(request, f"{warning}: {said(error)}", messages.ERROR)
            else:
                self.log_change(request, warning, gettext("dismissed"))
                self.message_user(request, f"{warning.gateway_id}: {gettext('dismissed')}.", messages.SUCCESS)
