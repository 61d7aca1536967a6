"""Tells the licences from before of which series their titles are, a few at a time, each time in a transaction of its own.

Until it has, a series that is licensed by its parts alone is shown nowhere, as before. Whoever stops it loses nothing.
"""

from typing import Any

from django.db import migrations, models

from core.concurrently import AddIndexConcurrently

BATCH = 10_000

_LAST_OF_BATCH = """
SELECT max(id) FROM (SELECT id FROM catalog_availabilitywindow WHERE id > %s ORDER BY id LIMIT %s) AS batch
"""
# The trigger looks it up.
_TELL = """
UPDATE catalog_availabilitywindow AS licence SET series_id = title.series_id FROM catalog_title AS title
WHERE licence.id > %s AND licence.id <= %s AND licence.series_id IS NULL
    AND title.id = licence.title_id AND title.series_id IS NOT NULL
"""


def tell(apps: Any, schema_editor: Any) -> None:
    """Go through all licences in the order of their ids."""
    with schema_editor.connection.cursor() as cursor:
        after = 0
        cursor.execute(_LAST_OF_BATCH, [after, BATCH])
        while last := cursor.fetchone()[0]:
            cursor.execute(_TELL, [after, last])
            after = last
            cursor.execute(_LAST_OF_BATCH, [after, BATCH])


class Migration(migrations.Migration):

    # Licences are written all the time.
    atomic = False

    dependencies = [
        ('catalog', '0030_windows_follow_titles'),
    ]

    operations = [
        migrations.RunPython(tell, migrations.RunPython.noop),
        AddIndexConcurrently(
            model_name='availabilitywindow',
            index=models.Index(fields=['series_id'], name='window_series', condition=models.Q(('series_id__isnull', False))),
        ),
    ]
