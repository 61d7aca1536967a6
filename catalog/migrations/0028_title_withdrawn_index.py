from django.db import migrations, models

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):

    # Titles are ingested all the time.
    atomic = False

    dependencies = [
        ('catalog', '0027_indexes_that_others_hold'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='title',
            index=models.Index(fields=['withdrawn_at', 'id'], name='title_withdrawn', condition=models.Q(('state', 'withdrawn'))),
        ),
    ]
