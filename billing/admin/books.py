"""Tax rates, the journal and its comparison with the gateway."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext
from unfold.admin import ModelAdmin
from unfold.decorators import display

from billing.admin.base import BAD, GOOD, Coloured, CurrencyFilter, ReadOnly, ReadOnlyInline, amount_of, as_json, link
from billing.models import Invoice, JournalEntry, JournalLine, TaxRate, TieOut
from core.words import gettext_lazy as _


@admin.register(TaxRate)
class TaxRateAdmin(ModelAdmin):
    """Tax rates; a new one is added beside the old, whose end is set."""

    list_display = ("country", "rate", "starts", "ends")
    list_filter = ("country",)
    ordering = ("country", "-starts")


class JournalLineInline(ReadOnlyInline):
    """Debits and credits."""

    model = JournalLine
    fields = ("account", "country", "debit", "credit")
    readonly_fields = ("debit", "credit")
    reads = ("entry",)

    @display(description=_("debited"))
    def debit(self, line: JournalLine) -> str:
        """Show major units."""
        return amount_of(line.amount, line.entry.currency) if line.amount > 0 else ""

    @display(description=_("credited"))
    def credit(self, line: JournalLine) -> str:
        """Show major units."""
        return amount_of(-line.amount, line.entry.currency) if line.amount < 0 else ""


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnly):
    """The journal."""

    list_display = ("source_key", "kind", "currency", "booked_at", "reference")
    list_filter = ("kind", CurrencyFilter)
    search_fields = ("=source_key", "=reference")
    search_help_text = _("A whole cause, or an id of the gateway's.")
    ordering = ("-pk",)
    inlines = (JournalLineInline,)
    fields = ("source_key", "kind", "currency", "booked_at", "reference", "invoice")
    readonly_fields = ("invoice",)

    @display(description=_("invoice"))
    def invoice(self, entry: JournalEntry) -> str:
        """Link to the invoice that it is about."""
        return link(Invoice.objects.filter(pk=entry.invoice_id).first() if entry.invoice_id else None)


@admin.register(TieOut)
class TieOutAdmin(ReadOnly):
    """Each day's comparison with the gateway's balance."""

    list_display = ("day", "currency", "gateway_label", "ledger_label", "difference_label", "made_at")
    list_filter = ("currency",)
    ordering = ("-day", "currency")
    fields = ("day", "currency", "gateway_label", "ledger_label", "difference_told", "differences", "made_at")
    readonly_fields = ("gateway_label", "ledger_label", "difference_told", "differences")

    @display(description=_("difference"), label={"none": GOOD, "differs": BAD})
    def difference_label(self, report: TieOut) -> Coloured:
        """Colour the difference."""
        told = self.difference_told(report)
        return Coloured("none" if _agrees(report) else "differs", told)

    @display(description=_("difference"))
    def difference_told(self, report: TieOut) -> str:
        """Show major units, or that there is nothing to look at."""
        return gettext("none") if _agrees(report) else amount_of(report.difference, report.currency)

    @display(description=_("at the gateway"), ordering="gateway_net")
    def gateway_label(self, report: TieOut) -> str:
        """Show major units."""
        return amount_of(report.gateway_net, report.currency)

    @display(description=_("in our books"), ordering="ledger_net")
    def ledger_label(self, report: TieOut) -> str:
        """Show major units."""
        return amount_of(report.ledger_net, report.currency)

    @display(description=_("differences"))
    def differences(self, report: TieOut) -> str:
        """Show what one side lacks."""
        return as_json(report.details) if report.details else gettext("none")


def _agrees(report: TieOut) -> bool:
    return not report.difference and not report.details
