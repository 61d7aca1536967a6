"""Invoices and credit notes, looked at."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from billing.admin.base import BAD, GOOD, OVER, WAITING, ReadOnlyInline, WithPdf, as_json
from billing.models import CreditNote, Invoice, InvoiceLine, PaymentAttempt
from billing.selectors import documents
from billing.selectors.documents import Document
from billing.services import refunds
from core import clock
from core.errors import DomainError
from core.money import Money


class LineInline(ReadOnlyInline):
    """The lines, each with how it came about."""

    model = InvoiceLine
    fields = ("position", "description", "amount", "how")
    readonly_fields = ("how",)
    ordering = ("position",)

    @display(description="derivation")
    def how(self, line: InvoiceLine) -> str:
        """Show what the amount was computed from."""
        return as_json(line.derivation)


class AttemptInline(ReadOnlyInline):
    """The tries to collect it."""

    model = PaymentAttempt
    fields = ("n", "state", "payment_method", "gateway_id", "decline_code", "sent_at", "settled_at")
    ordering = ("n",)


@admin.register(Invoice)
class InvoiceAdmin(WithPdf):
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
        "country",
        "pdf_link",
    )
    readonly_fields = ("status_label", "total_label", "pdf_link")

    def document(self, request: HttpRequest, pk: UUID) -> Document | None:
        """Answer an invoice as its customer has it."""
        issued = documents.with_contents(Invoice.objects.exclude(number=None)).filter(pk=pk).first()
        return documents.of_invoice(issued) if issued else None

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


@admin.register(CreditNote)
class CreditNoteAdmin(WithPdf):
    """Credit notes."""

    list_display = ("number", "invoice", "total_label", "issued_at", "pdf_link")
    list_select_related = ("invoice", "refund")
    search_fields = ("=number", "=invoice__number", "=invoice__account__email")
    search_help_text = "A whole number or e-mail address."
    ordering = ("-pk",)
    readonly_fields = ("total_label", "pdf_link")

    def document(self, request: HttpRequest, pk: UUID) -> Document | None:
        """Answer a credit note as its customer has it."""
        note = documents.credit_notes().filter(pk=pk).first()
        return documents.of_credit_note(note) if note else None

    @display(description="total")
    def total_label(self, note: CreditNote) -> str:
        """Show major units."""
        return str(Money(note.net + note.tax, note.refund.currency))
