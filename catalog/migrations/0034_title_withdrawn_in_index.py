from django.db import migrations, models

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):

    # Titles are ingested all the time.
    atomic = False

    dependencies = [
        ('catalog', '0033_transactions_that_withdraw'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='title',
            index=models.Index(fields=['withdrawn_in', 'id'], name='title_withdrawn_in', condition=models.Q(('state', 'withdrawn'))),
        ),
    ]
