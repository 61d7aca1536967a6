"""Tax rates, the journal and its comparison with the gateway."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin
from unfold.decorators import display

from billing.admin.base import BAD, GOOD, ReadOnly, ReadOnlyInline, as_json
from billing.models import JournalEntry, JournalLine, TaxRate, TieOut


@admin.register(TaxRate)
class TaxRateAdmin(ModelAdmin):
    """Tax rates; a new one is added beside the old, whose end is set."""

    list_display = ("country", "rate", "starts", "ends")
    list_filter = ("country",)
    ordering = ("country", "-starts")


class JournalLineInline(ReadOnlyInline):
    """Debits and credits."""

    model = JournalLine
    fields = ("account", "country", "amount")


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnly):
    """The journal."""

    list_display = ("source_key", "kind", "currency", "booked_at", "reference")
    list_filter = ("kind", "currency")
    search_fields = ("=source_key", "=reference")
    search_help_text = "A whole cause, or an id of the gateway's."
    ordering = ("-pk",)
    inlines = (JournalLineInline,)
    exclude = ("transaction",)


@admin.register(TieOut)
class TieOutAdmin(ReadOnly):
    """Each day's comparison with the gateway's balance."""

    list_display = ("day", "currency", "gateway_net", "ledger_net", "difference_label", "made_at")
    list_filter = ("currency",)
    ordering = ("-day", "currency")
    readonly_fields = ("differences",)
    exclude = ("details",)

    @display(description="difference", label={"none": GOOD, "differs": BAD})
    def difference_label(self, report: TieOut) -> tuple[str, str]:
        """Colour the difference."""
        clean = not report.difference and not report.details
        return ("none", "none") if clean else ("differs", str(report.difference))

    @display(description="differences")
    def differences(self, report: TieOut) -> str:
        """Show what one side lacks."""
        return as_json(report.details)
