"""Payments that a bank takes back: until when it takes evidence, and the action that submits ours."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from unfold.decorators import display

from billing import stripe_gateway
from billing.admin.base import BAD, GOOD, OVER, WAITING, Actor, Coloured, InWordsFilter, OfPayment, amount_of, said
from billing.models import Dispute
from billing.selectors import evidence as packs
from billing.services import evidence
from billing.words import in_words
from core import clock
from core.errors import DomainError
from core.words import gettext_lazy as _

SUBMITTED_BY = Actor("submitted_by")


@admin.register(Dispute)
class DisputeAdmin(OfPayment):
    """Disputes: until when the bank takes evidence, what we hold, and the action that submits it."""

    list_display = (
        "gateway_id",
        "customer",
        "invoice",
        "amount_label",
        "reason_label",
        "status_label",
        "due_by",
        "submitted_at",
        "opened_at",
    )
    list_filter = (("status", InWordsFilter), ("reason", InWordsFilter))
    list_select_related = ("attempt__invoice__account",)
    search_fields = (
        "=gateway_id",
        "=attempt__gateway_id",
        "=attempt__invoice__number",
        "=attempt__invoice__account__email",
    )
    search_help_text = _("A whole dispute or PaymentIntent id, invoice number or e-mail address.")
    ordering = ("-pk",)
    fields: ClassVar[Any] = (
        "gateway_id",
        "status_label",
        "reason_label",
        "amount_label",
        "customer",
        "subscription",
        "invoice",
        "payment",
        "opened_at",
        "due_by",
        "pack_link",
        "submitted_at",
        SUBMITTED_BY,
        "closed_at",
    )
    readonly_fields: ClassVar[Any] = (
        "status_label",
        "reason_label",
        "amount_label",
        "customer",
        "subscription",
        "invoice",
        "payment",
        "pack_link",
        SUBMITTED_BY,
    )
    actions = ("submit_evidence",)

    def has_submit_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to speak for us."""
        return request.user.has_perm("billing.submit_evidence")

    @admin.action(description=_("Submit the evidence that we hold"), permissions=["submit"])
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
                self.message_user(request, f"{dispute}: {said(error)}", messages.ERROR)
            else:
                self.log_change(request, dispute, gettext("evidence submitted"))
                self.message_user(request, f"{dispute.gateway_id}: {gettext('evidence submitted')}.", messages.SUCCESS)

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
        self.log_change(request, dispute, gettext("evidence downloaded"))
        self.record_opening(request, dispute, "evidence")
        answer = HttpResponse(found, content_type="application/zip")
        answer["Content-Disposition"] = f'attachment; filename="{dispute.gateway_id}.zip"'
        answer["Cache-Control"] = "private, no-store"
        return answer

    @display(description=_("evidence"))
    def pack_link(self, dispute: Dispute) -> str:
        """Link to all that we hold."""
        address = reverse("admin:billing_dispute_evidence", args=[dispute.pk])
        return format_html(
            '<a href="{}" class="text-primary-600 underline">{}</a>', address, gettext("Download as ZIP")
        )

    @display(description=_("amount"), ordering="amount")
    def amount_label(self, dispute: Dispute) -> str:
        """Show major units."""
        return amount_of(dispute.amount, dispute.currency)

    @display(description=_("reason"), ordering="reason")
    def reason_label(self, dispute: Dispute) -> str:
        """Write the bank's word for people."""
        return in_words(dispute.reason)

    @display(
        description=_("status"),
        ordering="status",
        label={
            "needs response": BAD,
            "warning needs response": WAITING,
            "under review": WAITING,
            "warning under review": WAITING,
            "won": GOOD,
            "lost": BAD,
            "warning closed": OVER,
        },
    )
    def status_label(self, dispute: Dispute) -> Coloured:
        """Colour the status."""
        return Coloured(dispute.status.replace("_", " "), in_words(dispute.status))
