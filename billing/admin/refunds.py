"""Money that goes back: refunds and disputes."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from billing.admin.base import ReadOnly
from billing.models import Dispute, Refund
from billing.services import refunds
from core import clock
from core.errors import DomainError
from core.money import Money


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
