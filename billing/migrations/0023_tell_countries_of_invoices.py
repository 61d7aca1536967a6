"""Tells the invoices from before in which country each was taxed: where its subscription was, since none had moved.

A few at a time, each time in a transaction of its own: invoices are many, and they are paid meanwhile. Whoever stops
it loses nothing; run again, it passes over what has been told.
"""

from typing import Any
from uuid import UUID

from django.db import migrations

BATCH = 2000
FIRST = UUID(int=0)

_LAST_OF_BATCH = """
SELECT id FROM (SELECT id FROM billing_invoice WHERE id > %s ORDER BY id LIMIT %s) batch ORDER BY id DESC LIMIT 1
"""

# Locked in the order in which everybody locks invoices. One that moved since had its invoices told when they were made;
# what else of it has no country was billed in none.
_TELL = """
WITH batch AS MATERIALIZED (
    SELECT invoice.id, subscription.country
    FROM billing_invoice invoice JOIN billing_subscription subscription ON subscription.id = invoice.subscription_id
    WHERE invoice.id > %s AND invoice.id <= %s AND invoice.country = '' AND subscription.country <> ''
        AND NOT EXISTS (
            SELECT 1 FROM billing_taxplace place
            WHERE place.subscription_id = subscription.id AND place.effective_at IS NOT NULL
        )
    ORDER BY invoice.id FOR NO KEY UPDATE OF invoice
)
UPDATE billing_invoice invoice SET country = batch.country FROM batch WHERE invoice.id = batch.id
"""


def tell(apps: Any, schema_editor: Any) -> None:
    """Go through all invoices in the order of their ids."""
    with schema_editor.connection.cursor() as cursor:
        after = FIRST
        cursor.execute(_LAST_OF_BATCH, [after, BATCH])
        while found := cursor.fetchone():
            (last,) = found
            cursor.execute(_TELL, [after, last])
            after = last
            cursor.execute(_LAST_OF_BATCH, [after, BATCH])


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0022_country_of_invoices")]

    operations = [migrations.RunPython(tell, migrations.RunPython.noop)]
