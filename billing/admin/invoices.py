"""Invoices and credit notes, looked at."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from unfold.decorators import display

from billing.admin.base import (
    BAD,
    GOOD,
    NOTHING,
    OVER,
    WAITING,
    Coloured,
    CurrencyFilter,
    ReadOnlyInline,
    UsesInline,
    WithPdf,
    amount_of,
    as_json,
    link,
    links,
    plan_link,
    said,
)
from billing.models import CreditNote, CreditUse, Dispute, FraudWarning, Invoice, InvoiceLine, PaymentAttempt, Refund
from billing.selectors import documents, explanations, words
from billing.selectors.documents import Document
from billing.services import refunds
from billing.words import in_words, written
from core import clock
from core.errors import DomainError
from core.words import gettext_lazy as _


class LineInline(ReadOnlyInline):
    """The lines, each with how it came about."""

    model = InvoiceLine
    fields = ("position", "what", "amount_label", "discount_label", "tax_label", "how")
    readonly_fields = ("what", "amount_label", "discount_label", "tax_label", "how")
    ordering = ("position",)
    reads = ("invoice", "price__plan")

    @display(description=_("what for"))
    def what(self, line: InvoiceLine) -> str:
        """Say what it is for, as its customer reads it."""
        return words.description(line)

    @display(description=_("amount"))
    def amount_label(self, line: InvoiceLine) -> str:
        """Show major units."""
        return amount_of(line.amount, line.invoice.currency)

    @display(description=_("coupon"))
    def discount_label(self, line: InvoiceLine) -> str:
        """Show what a coupon took off, in major units."""
        return amount_of(-line.discount or None, line.invoice.currency)

    @display(description=_("tax in it"))
    def tax_label(self, line: InvoiceLine) -> str:
        """Show major units, and the rate."""
        rate = f" ({words.percent(line.tax_rate.normalize())})" if line.tax_rate is not None else ""
        return amount_of(line.tax, line.invoice.currency) + rate

    @display(description=_("derivation"))
    def how(self, line: InvoiceLine) -> str:
        """Show what the amount was computed from, to whoever opens it."""
        return format_html("<details><summary>{}</summary>{}</details>", gettext("as stored"), as_json(line.derivation))


class AttemptInline(ReadOnlyInline):
    """The tries to collect it."""

    model = PaymentAttempt
    verbose_name_plural = _("payments")
    fields = ("page", "state", "payment_method", "gateway_id", "decline_label", "sent_at", "settled_at")
    readonly_fields = ("page", "decline_label")
    ordering = ("n",)
    reads = ("payment_method",)

    @display(description=_("try"))
    def page(self, attempt: PaymentAttempt) -> str:
        """Link to the attempt."""
        return link(attempt, gettext("no. %(n)d") % {"n": attempt.n})

    @display(description=_("decline"))
    def decline_label(self, attempt: PaymentAttempt) -> str:
        """Write the bank's code for people."""
        return in_words(attempt.decline_code) or NOTHING


class RefundInline(ReadOnlyInline):
    """What was given back, or is to be."""

    model = Refund
    fields = ("page", "state", "reason_label", "credit_note", "requested_at", "settled_at")
    readonly_fields = ("page", "reason_label", "credit_note")
    ordering = ("pk",)
    reads = ("credit_note",)

    @display(description=_("amount"))
    def page(self, refund: Refund) -> str:
        """Link to the refund."""
        return link(refund, amount_of(refund.amount, refund.currency))

    @display(description=_("reason"))
    def reason_label(self, refund: Refund) -> str:
        """Write what somebody wrote, or ours in the language at hand."""
        return written(refund.reason)

    @display(description=_("credit note"))
    def credit_note(self, refund: Refund) -> str:
        """Link to its document."""
        return link(getattr(refund, "credit_note", None))


class CreditUseInline(UsesInline):
    """The credit and gifts that paid for it."""

    verbose_name_plural = _("paid from credit")
    fields = ("page", *UsesInline.SHOWN)
    readonly_fields = ("page", *UsesInline.LABELS)
    ordering = ("pk",)
    reads = ("grant",)

    @display(description=_("customer credit"))
    def page(self, use: CreditUse) -> str:
        """Link to the credit."""
        return link(use.grant)


def _as_shown(pk: UUID) -> Document | None:
    issued = documents.with_contents(Invoice.objects.exclude(number=None)).filter(pk=pk).first()
    return documents.of_invoice(issued) if issued else None


def _as_given(pk: UUID) -> Document | None:
    note = documents.credit_notes().filter(pk=pk).first()
    return documents.of_credit_note(note) if note else None


@admin.register(Invoice)
class InvoiceAdmin(WithPdf):
    """Invoices, with their lines and the tries to collect them."""

    person = "account_id"
    document_of = staticmethod(_as_shown)

    list_display = ("number", "account", "total_label", "status_label", "kind", "finalised_at", "paid_at")
    list_filter = ("status", "kind", CurrencyFilter)
    list_select_related = ("account",)
    search_fields = ("=number", "=account__email")
    search_help_text = _("A whole number or e-mail address.")
    ordering = ("-pk",)
    inlines: ClassVar[Any] = (LineInline, AttemptInline, CreditUseInline, RefundInline)
    actions = ("refund_in_full",)
    fields = (
        "number",
        "status_label",
        "total_label",
        "tender_label",
        "due_label",
        "account",
        "subscription_link",
        "period",
        "kind",
        "finalised_at",
        "paid_at",
        "country",
        "disputes",
        "pdf_link",
        "explained",
    )
    readonly_fields = (
        "status_label",
        "total_label",
        "tender_label",
        "due_label",
        "subscription_link",
        "disputes",
        "pdf_link",
        "explained",
    )

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Ask for the right to give money back."""
        return request.user.has_perm("billing.request_refund")

    @admin.action(description=_("Refund in full"), permissions=["refund"])
    def refund_in_full(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> None:
        """Ask for a refund of all that was charged; a large one waits for a second person."""
        for invoice in queryset:
            try:
                refund = refunds.request(
                    invoice_id=invoice.pk,
                    amount=refunds.paid_by_card(invoice),
                    reason="in full, by staff",
                    by=f"staff:{request.user.pk}",
                    now=clock.now(),
                )
            except DomainError as error:
                self.message_user(request, f"{invoice}: {said(error)}", messages.ERROR)
            else:
                self.log_change(request, invoice, gettext("refund requested"))
                self.message_user(request, f"{invoice}: {refund.get_state_display()}.", messages.SUCCESS)

    @display(description=_("total"), ordering="total")
    def total_label(self, invoice: Invoice) -> str:
        """Show major units."""
        return amount_of(invoice.total, invoice.currency)

    @display(description=_("how it is paid"))
    def tender_label(self, invoice: Invoice) -> str:
        """Say what credit, debts and cards come to, as its customer reads it."""
        told = _as_shown(invoice.pk)
        rows = ((fact.label, fact.value) for fact in told.tender) if told else ()
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}: {}</li>", rows))

    @display(description=_("charged"))
    def due_label(self, invoice: Invoice) -> str:
        """Show major units."""
        return amount_of(invoice.due, invoice.currency)

    @display(description=_("subscription"))
    def subscription_link(self, invoice: Invoice) -> str:
        """Link to the subscription by its plan."""
        return plan_link(invoice.subscription)

    @display(description=_("disputes and warnings"))
    def disputes(self, invoice: Invoice) -> str:
        """Link to what its payments met with."""
        disputed = Dispute.objects.filter(attempt__invoice=invoice).order_by("pk")
        return links([*disputed, *FraudWarning.objects.filter(attempt__invoice=invoice).order_by("pk")])

    @display(description=_("explained"))
    def explained(self, invoice: Invoice) -> str:
        """Say why it is what it is, as its customer reads it."""
        whole = documents.with_contents(Invoice.objects.exclude(number=None)).filter(pk=invoice.pk).first()
        if whole is None:
            return gettext("A draft is explained once it is final.")
        found = explanations.explain(whole)
        reasons = [reason for line in found.lines for reason in line.reasons] + found.history
        return format_html(
            "<ul>{}</ul>",
            format_html_join("", "<li>{}</li>", ((reason.text,) for reason in reasons)),
        )

    @display(
        description=_("status"),
        ordering="status",
        label={
            Invoice.Status.DRAFT: OVER,
            Invoice.Status.OPEN: WAITING,
            Invoice.Status.PAID: GOOD,
            Invoice.Status.VOID: OVER,
            Invoice.Status.UNCOLLECTIBLE: BAD,
        },
    )
    def status_label(self, invoice: Invoice) -> Coloured:
        """Colour the status."""
        return Coloured(invoice.status, invoice.get_status_display())


@admin.register(CreditNote)
class CreditNoteAdmin(WithPdf):
    """Credit notes."""

    person = "invoice.account_id"
    document_of = staticmethod(_as_given)
    list_display = ("number", "invoice", "customer", "total_label", "standing_label", "issued_at", "pdf_link")
    list_select_related = ("invoice__account", "refund")
    search_fields = ("=number", "=invoice__number", "=invoice__account__email")
    search_help_text = _("A whole number or e-mail address.")
    ordering = ("-pk",)
    fields = (
        "number",
        "invoice",
        "customer",
        "refund",
        "net_label",
        "tax_label",
        "total_label",
        "standing_label",
        "issued_at",
        "voided_at",
        "pdf_link",
    )
    readonly_fields = ("customer", "net_label", "tax_label", "total_label", "standing_label", "pdf_link")

    @display(description=_("customer"))
    def customer(self, note: CreditNote) -> str:
        """Link to the account."""
        return link(note.invoice.account)

    @display(description=_("total"))
    def total_label(self, note: CreditNote) -> str:
        """Show major units."""
        return amount_of(note.net + note.tax, note.refund.currency)

    @display(description=_("state"), label={"good": GOOD, "waiting": WAITING, "over": OVER})
    def standing_label(self, note: CreditNote) -> Coloured:
        """Say whether the money went back."""
        return Coloured(*documents.standing_of_note(note))

    @display(description=_("net"))
    def net_label(self, note: CreditNote) -> str:
        """Show major units."""
        return amount_of(note.net, note.refund.currency)

    @display(description=_("tax"))
    def tax_label(self, note: CreditNote) -> str:
        """Show major units."""
        return amount_of(note.tax, note.refund.currency)
