from django.db import migrations, models

import catalog.models.places


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0022_profile_blocks'),
    ]

    operations = [
        migrations.AddField(
            model_name='artwork',
            name='region',
            field=models.CharField(blank=True, db_default='', default='', help_text='The country for which it is made, ISO 3166-1 alpha-2; empty: wherever there is none of its own.', max_length=2, validators=[catalog.models.places.validate_country]),
        ),
    ]
