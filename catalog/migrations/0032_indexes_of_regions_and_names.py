"""What images by country and names by editors need and takes long, each step of which may be run again.

Of a database that had it with the columns, earlier, nothing is changed.
"""

from django.db import migrations, models

from core.concurrently import AddIndexConcurrently, add_constraint, build

UNIQUE = models.UniqueConstraint(
    fields=('title', 'kind', 'language', 'region', 'position'), name='artwork_once_per_place'
)
CODE = models.CheckConstraint(
    condition=models.Q(('region', ''), ('region__regex', '^[A-Z]{2}$'), _connector='OR'), name='artwork_region_is_code'
)


class Migration(migrations.Migration):

    # Images and people are written all the time.
    atomic = False

    dependencies = [
        ('catalog', '0031_series_of_earlier_windows'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='person',
            index=models.Index('id', condition=models.Q(('named_by', ''), _negated=True), name='person_named'),
        ),
        build('artwork_once_per_place', 'catalog_artwork (title_id, kind, language, region, position)', unique=True),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                add_constraint('catalog_artwork', 'artwork_once_per_place', 'UNIQUE USING INDEX artwork_once_per_place'),
            ],
            state_operations=[migrations.AddConstraint(model_name='artwork', constraint=UNIQUE)],
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    'ALTER TABLE catalog_artwork DROP CONSTRAINT IF EXISTS artwork_once_per_position',
                    reverse_sql='ALTER TABLE catalog_artwork ADD CONSTRAINT artwork_once_per_position UNIQUE (title_id, kind, language, position)',
                ),
            ],
            state_operations=[migrations.RemoveConstraint(model_name='artwork', name='artwork_once_per_position')],
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                add_constraint(
                    'catalog_artwork', 'artwork_region_is_code', "CHECK (region = '' OR region ~ '^[A-Z]{2}$') NOT VALID"
                ),
                migrations.RunSQL(
                    'ALTER TABLE catalog_artwork VALIDATE CONSTRAINT artwork_region_is_code',
                    reverse_sql=migrations.RunSQL.noop,
                ),
            ],
            state_operations=[migrations.AddConstraint(model_name='artwork', constraint=CODE)],
        ),
    ]
