"""Money that goes back: refunds, disputes, warnings of fraud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.forms import Form, ModelForm, TypedChoiceField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.widgets import UnfoldAdminRadioSelectWidget

from billing import stripe_gateway
from billing.admin.base import BAD, GOOD, OVER, WAITING, ReadOnly
from billing.models import Dispute, FraudWarning, Refund
from billing.selectors import evidence as packs
from billing.services import evidence, fraud, refunds
from core import clock
from core.errors import DomainError
from core.money import Money


class RefundForm(ModelForm):  # type: ignore[type-arg] # takes no parameter at runtime
    """What is given back, and whether it is owed again: a choice that nobody makes by leaving it out."""

    owed_again = TypedChoiceField(
        label="And the invoice",
        choices=[
            ("no", "is corrected by a credit note: nothing more is owed for it"),
            ("yes", "stays as it is: the customer owes the amount again, and the next invoice charges it"),
        ],
        coerce=lambda choice: choice == "yes",
        widget=UnfoldAdminRadioSelectWidget,
    )

    def clean_amount(self) -> int:
        """Refuse what is no amount of money."""
        amount: int = self.cleaned_data["amount"]
        if amount <= 0:
            raise ValidationError("A refund is a positive amount in minor units.")
        return amount


@admin.register(Refund)
class RefundAdmin(ReadOnly):
    """Refunds. Adding one asks for it; those that wait are approved or refused here, by somebody else than who asked."""

    list_display = (
        "invoice",
        "amount_label",
        "state",
        "owed_again",
        "reason",
        "requested_by",
        "approved_by",
        "requested_at",
    )
    list_filter = ("state", "owed_again")
    list_select_related = ("invoice",)
    search_fields = ("=gateway_id", "=invoice__number")
    search_help_text = "A whole refund id or invoice number."
    ordering = ("-pk",)
    actions = ("approve", "refuse")
    form = RefundForm
    autocomplete_fields = ("invoice",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for the right to give money back."""
        return request.user.has_perm("billing.request_refund")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask only for what staff decide."""
        return super().get_fields(request, obj) if obj else ("invoice", "amount", "reason", "owed_again")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for a refund, or say why there is none."""
        try:
            return super().add_view(request, form_url, extra_context)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Model, form: Form, change: bool) -> None:
        """Ask through the service."""
        wanted = cast("Refund", obj)
        ask = refunds.request_owed_again if wanted.owed_again else refunds.request
        made = ask(
            invoice_id=wanted.invoice_id,
            amount=wanted.amount,
            reason=wanted.reason,
            by=f"staff:{request.user.pk}",
            now=clock.now(),
        )
        wanted.pk = made.pk

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
    """Disputes: until when the bank takes evidence, what we hold, and the action that submits it."""

    list_display = ("gateway_id", "amount_label", "reason", "status_label", "due_by", "submitted_at", "opened_at")
    list_filter = ("status", "reason")
    list_select_related = ("attempt__invoice",)
    search_fields = ("=gateway_id", "=attempt__invoice__number", "=attempt__invoice__account__email")
    search_help_text = "A whole dispute id, invoice number or e-mail address."
    ordering = ("-pk",)
    readonly_fields = ("amount_label", "pack_link")
    actions = ("submit_evidence",)

    def has_submit_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to speak for us."""
        return request.user.has_perm("billing.submit_evidence")

    @admin.action(description="Submit the evidence that we hold", permissions=["submit"])
    def submit_evidence(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> None:
        """Send the evidence to the bank, through Stripe."""
        for dispute in queryset:
            try:
                evidence.submit(
                    dispute_id=dispute.pk,
                    gateway=stripe_gateway.connect(),
                    now=clock.now(),
                    by=f"staff:{request.user.pk}",
                )
            except DomainError as error:
                self.message_user(request, f"{dispute}: {error}", messages.ERROR)
            else:
                self.log_change(request, dispute, "evidence submitted")
                self.message_user(request, f"{dispute.gateway_id}: evidence submitted.", messages.SUCCESS)

    def get_urls(self) -> list[URLPattern]:
        """Add the evidence of each dispute."""
        view = self.admin_site.admin_view(self.pack_view)
        return [path("<int:pk>/evidence/", view, name="billing_dispute_evidence"), *super().get_urls()]

    def pack_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the evidence as a ZIP file to whoever may submit it, on record."""
        if not self.has_submit_permission(request):
            raise PermissionDenied
        dispute = Dispute.objects.select_related("attempt").filter(pk=pk).first()
        if dispute is None:
            raise Http404
        found = packs.archive(packs.pack(dispute))
        self.log_change(request, dispute, "evidence downloaded")
        answer = HttpResponse(found, content_type="application/zip")
        answer["Content-Disposition"] = f'attachment; filename="{dispute.gateway_id}.zip"'
        answer["Cache-Control"] = "private, no-store"
        return answer

    @display(description="evidence")
    def pack_link(self, dispute: Dispute) -> str:
        """Link to all that we hold."""
        address = reverse("admin:billing_dispute_evidence", args=[dispute.pk])
        return format_html('<a href="{}" class="text-primary-600 underline">{}</a>', address, "Download as ZIP")

    @display(description="amount", ordering="amount")
    def amount_label(self, dispute: Dispute) -> str:
        """Show major units."""
        return str(Money(dispute.amount, dispute.currency))

    @display(
        description="status",
        ordering="status",
        label={
            "needs_response": BAD,
            "warning_needs_response": WAITING,
            "under_review": WAITING,
            "warning_under_review": WAITING,
            "won": GOOD,
            "lost": BAD,
            "warning_closed": OVER,
        },
    )
    def status_label(self, dispute: Dispute) -> str:
        """Colour the status."""
        return dispute.status


@admin.register(FraudWarning)
class FraudWarningAdmin(ReadOnly):
    """Early warnings of fraud, and what was done; those that wait are dismissed here, or their invoice is refunded."""

    list_display = ("gateway_id", "attempt", "fraud_type", "action", "refund", "received_at")
    list_filter = ("action", "fraud_type")
    list_select_related = ("attempt", "refund")
    search_fields = ("=gateway_id", "=attempt__gateway_id", "=attempt__invoice__number")
    search_help_text = "A whole warning id, PaymentIntent id or invoice number."
    ordering = ("-pk",)
    actions = ("dismiss",)

    def has_dismiss_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to put back what was parked."""
        return request.user.has_perm("billing.unpark_subscription")

    @admin.action(description="Dismiss: it was the customer", permissions=["dismiss"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[FraudWarning]) -> None:
        """Let the payment stand; a gift can be redeemed again."""
        for warning in queryset:
            try:
                fraud.dismiss(warning_id=warning.pk)
            except DomainError as error:
                self.message_user(request, f"{warning}: {error}", messages.ERROR)
            else:
                self.log_change(request, warning, "dismissed")
                self.message_user(request, f"{warning.gateway_id}: dismissed.", messages.SUCCESS)
