"""Rates and law that were wrong or missing where nobody has corrected them since."""

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import migrations

Rows = set[tuple[date, date | None, Decimal]]

WRONG: dict[str, Rows] = {
    "RU": {(date(2017, 1, 1), None, Decimal("0.18"))},
    "ZA": {(date(2014, 6, 1), None, Decimal("0.14"))},
    "IS": set(),
    "LI": set(),
    "PT-20": {
        (date(2011, 1, 1), date(2021, 7, 1), Decimal("0.18")),
        (date(2021, 7, 1), None, Decimal("0.16")),
    },
    "PT-30": {(date(2011, 1, 1), None, Decimal("0.22"))},
}
"""What came with earlier releases; what staff have entered instead is left alone."""

MISSING = {"BR"}
"""Countries whose law did not come with earlier releases; of any other, staff have deleted what is not there."""


def correct_rates(apps: Any, schema_editor: Any) -> None:
    """Put the present rows in place of those that came wrong."""
    TaxRate = apps.get_model("billing", "TaxRate")  # noqa: N806 - a class
    billing = Path(__file__).parents[1]
    for name, column in (("tax_rates.csv", "country"), ("tax_territories.csv", "territory")):
        with (billing / name).open() as file:
            rows = [row for row in csv.DictReader(file) if row[column] in WRONG]
        for place in {row[column] for row in rows}:
            held = TaxRate.objects.filter(country=place)
            if set(held.values_list("starts", "ends", "rate")) == WRONG[place]:
                held.delete()
                TaxRate.objects.bulk_create(
                    TaxRate(country=place, starts=row["from"], ends=row["to"] or None, rate=row["rate"])
                    for row in rows
                    if row[column] == place
                )


def add_law(apps: Any, schema_editor: Any) -> None:
    """Countries that came without theirs."""
    ConsumerLaw = apps.get_model("billing", "ConsumerLaw")  # noqa: N806 - a class
    with (Path(__file__).parents[1] / "consumer_law.csv").open() as file:
        for row in csv.DictReader(file):
            if row["country"] not in MISSING:
                continue
            values = row | {"withdrawal_pro_rata": row["withdrawal_pro_rata"] == "true"}
            ConsumerLaw.objects.get_or_create(country=values.pop("country"), defaults=values)


class Migration(migrations.Migration):
    dependencies = [("billing", "0028_validate_what_was_added_to_large_tables")]

    operations = [
        migrations.RunPython(correct_rates, migrations.RunPython.noop),
        migrations.RunPython(add_law, migrations.RunPython.noop),
    ]
