from django.db import migrations, models

import catalog.models.places

UNIQUE = models.UniqueConstraint(
    fields=('title', 'kind', 'language', 'region', 'position'), name='artwork_once_per_place'
)


class Migration(migrations.Migration):

    # Images are written all the time: the index of the new constraint is built beside them.
    atomic = False

    dependencies = [
        ('catalog', '0022_profile_blocks'),
    ]

    operations = [
        migrations.AddField(
            model_name='artwork',
            name='region',
            field=models.CharField(blank=True, db_default='', default='', help_text='The country for which it is made, ISO 3166-1 alpha-2; empty: wherever there is none of its own.', max_length=2, validators=[catalog.models.places.validate_country]),
        ),
        migrations.RunSQL(
            'CREATE UNIQUE INDEX CONCURRENTLY artwork_once_per_place'
            ' ON catalog_artwork (title_id, kind, language, region, position)',
            reverse_sql='DROP INDEX CONCURRENTLY IF EXISTS artwork_once_per_place',
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    'ALTER TABLE catalog_artwork ADD CONSTRAINT artwork_once_per_place UNIQUE USING INDEX artwork_once_per_place',
                    reverse_sql='ALTER TABLE catalog_artwork DROP CONSTRAINT IF EXISTS artwork_once_per_place',
                ),
            ],
            state_operations=[migrations.AddConstraint(model_name='artwork', constraint=UNIQUE)],
        ),
        migrations.RemoveConstraint(model_name='artwork', name='artwork_once_per_position'),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE catalog_artwork ADD CONSTRAINT artwork_region_is_code"
                    " CHECK (region = '' OR region ~ '^[A-Z]{2}$') NOT VALID",
                    reverse_sql='ALTER TABLE catalog_artwork DROP CONSTRAINT artwork_region_is_code',
                ),
                migrations.RunSQL(
                    'ALTER TABLE catalog_artwork VALIDATE CONSTRAINT artwork_region_is_code',
                    reverse_sql=migrations.RunSQL.noop,
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name='artwork',
                    constraint=models.CheckConstraint(condition=models.Q(('region', ''), ('region__regex', '^[A-Z]{2}$'), _connector='OR'), name='artwork_region_is_code'),
                ),
            ],
        ),
    ]
