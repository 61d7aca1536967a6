"""Invoices, what explains them, credit notes, and whom they are made out to."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.models import BillingDetails, CreditNote, Invoice, InvoiceLine, Period
from billing.selectors import words
from core.api.serializers import InputSerializer, TextField
from core.geo import is_country


class ReasonSerializer(serializers.Serializer[Any]):
    """One step on the way to an amount, or to its payment."""

    code = serializers.CharField(help_text="What kind of step: list_price, discount, tax, unused_days and so on.")
    text = serializers.CharField(help_text="In the language of the request.")
    amount = serializers.IntegerField(allow_null=True, help_text="Minor units; null where a step moves none.")
    at = serializers.DateTimeField(allow_null=True)


class ExplainedLineSerializer(serializers.Serializer[Any]):
    """A line with the steps that lead to its amount."""

    description = serializers.CharField(help_text="In the language of the request.")
    amount = serializers.IntegerField()
    reasons = ReasonSerializer(many=True)


class ExplanationSerializer(serializers.Serializer[Any]):
    """An invoice that explains itself: the lines sum to the total, and the history says how it was paid."""

    number = serializers.CharField()
    currency = serializers.CharField()
    total = serializers.IntegerField()
    lines = ExplainedLineSerializer(many=True)
    history = ReasonSerializer(many=True)


class PeriodSerializer(serializers.ModelSerializer[Period]):
    """A stretch of service: from `start` up to, and without, `end`."""

    class Meta:
        model = Period
        fields = ["start", "end"]


class InvoiceLineSerializer(serializers.ModelSerializer[InvoiceLine]):
    """One amount."""

    description = serializers.SerializerMethodField(help_text="In the language of the request.")

    class Meta:
        model = InvoiceLine
        fields = ["description", "amount", "discount", "tax", "tax_rate"]

    def get_description(self, line: InvoiceLine) -> str:
        return words.description(line)


class InvoiceSerializer(serializers.ModelSerializer[Invoice]):
    """An invoice. `total` is the sum of its lines, in minor units."""

    period = PeriodSerializer(allow_null=True)
    lines = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=["open", "paid", "void", "uncollectible"])
    number = serializers.CharField()
    credit_applied = serializers.IntegerField(
        help_text="Minor units of `total` paid from gifts and credit. Negative where a change gave credit instead, or "
        "where more was owed from before than they paid; the explanation says what."
    )
    due = serializers.IntegerField(help_text="Minor units of `total` to be charged: what credit has not paid.")

    class Meta:
        model = Invoice
        fields = [
            "id",
            "number",
            "status",
            "currency",
            "total",
            "credit_applied",
            "due",
            "period",
            "lines",
            "finalised_at",
            "paid_at",
        ]

    def get_lines(self, invoice: Invoice) -> list[dict[str, Any]]:
        lines = sorted(invoice.lines.all(), key=lambda line: line.position)
        return [dict(line) for line in InvoiceLineSerializer(lines, many=True).data]


class CreditNoteSerializer(serializers.ModelSerializer[CreditNote]):
    """Money of an invoice that goes back, in minor units."""

    invoice = serializers.UUIDField(source="invoice_id")
    currency = serializers.CharField(source="refund.currency")
    total = serializers.SerializerMethodField(help_text="Tax included.")
    voided_at = serializers.DateTimeField(
        allow_null=True, help_text="Set when nothing is given back with it after all; it keeps its number."
    )

    class Meta:
        model = CreditNote
        fields = ["id", "number", "invoice", "currency", "net", "tax", "total", "issued_at", "voided_at"]

    def get_total(self, note: CreditNote) -> int:
        return note.net + note.tax


class BillingDetailsSerializer(serializers.ModelSerializer[BillingDetails]):
    """Whom invoices are made out to; empty while it is the e-mail address alone."""

    class Meta:
        model = BillingDetails
        fields = ["name", "address", "postal_code", "country", "tax_id"]


class SetBillingDetailsSerializer(InputSerializer):
    """Whom invoices shall be made out to from now on."""

    name = TextField(max_length=200)
    address = TextField(default="", allow_blank=True, max_length=500, help_text="In lines, at most eight.")
    postal_code = TextField(default="", allow_blank=True, max_length=12)
    country = serializers.CharField(
        default="", allow_blank=True, max_length=2, help_text="ISO 3166-1 alpha-2; empty is the account's."
    )
    tax_id = TextField(default="", allow_blank=True, max_length=30)

    def validate_country(self, code: str) -> str:
        if code and not is_country(code):
            raise serializers.ValidationError("Give a country as its ISO 3166-1 code, such as DE.", "unknown_country")
        return code

    def validate_address(self, address: str) -> str:
        lines = [line.strip() for line in address.splitlines() if line.strip()]
        if len(lines) > 8:
            raise serializers.ValidationError("An address has at most eight lines.", "too_many_lines")
        return "\n".join(lines)
