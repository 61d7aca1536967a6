"""Numbers of documents: gapless for each series and year."""

from __future__ import annotations

from datetime import datetime

from billing.models import NumberSeries

ENTITY = "main"
INVOICES = "INV"
CREDIT_NOTES = "CN"


def reserve_numbers(count: int, *, now: datetime, code: str = INVOICES) -> tuple[NumberSeries, int]:
    """Take `count` numbers in a row; they are given back if the transaction does not commit."""
    key = {"entity": ENTITY, "code": code, "year": now.year}
    NumberSeries.objects.bulk_create([NumberSeries(**key)], ignore_conflicts=True)
    series = NumberSeries.objects.locked().get(**key)
    first = series.last + 1
    series.last += count
    series.save(update_fields=["last"])
    return series, first


def number_of(series: NumberSeries, sequence: int) -> str:
    """Write a document's number."""
    return f"{series.code}-{series.year}-{sequence:07d}"
