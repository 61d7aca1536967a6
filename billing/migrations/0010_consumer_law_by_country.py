"""What the law gives subscribers, and proofs that nobody rewrites."""

import csv
from pathlib import Path
from typing import Any

from django.db import migrations

PROOFS = """
CREATE TRIGGER billing_append_only BEFORE UPDATE OR DELETE ON billing_legaldocument
    FOR EACH ROW EXECUTE FUNCTION billing_append_only();
CREATE TRIGGER billing_append_only BEFORE UPDATE OR DELETE ON billing_withdrawal
    FOR EACH ROW EXECUTE FUNCTION billing_append_only();
CREATE TRIGGER billing_append_only BEFORE UPDATE OR DELETE ON billing_pricenotice
    FOR EACH ROW EXECUTE FUNCTION billing_append_only();
"""

UNDO = """
DROP TRIGGER billing_append_only ON billing_pricenotice;
DROP TRIGGER billing_append_only ON billing_withdrawal;
DROP TRIGGER billing_append_only ON billing_legaldocument;
"""


def load_law(apps: Any, schema_editor: Any) -> None:
    """The rights that come from statutes. Staff add what comes."""
    ConsumerLaw = apps.get_model("billing", "ConsumerLaw")  # noqa: N806 - a class
    with (Path(__file__).parents[1] / "consumer_law.csv").open() as file:
        ConsumerLaw.objects.bulk_create(
            ConsumerLaw(**row | {"withdrawal_pro_rata": row["withdrawal_pro_rata"] == "true"})
            for row in csv.DictReader(file)
        )


class Migration(migrations.Migration):
    dependencies = [("billing", "0009_consumer_law")]

    operations = [
        migrations.RunSQL(PROOFS, UNDO),
        migrations.RunPython(load_law, migrations.RunPython.noop),
    ]
