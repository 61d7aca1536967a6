from django.db import migrations, models

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):

    # Licences are written all the time.
    atomic = False

    dependencies = [
        ('catalog', '0008_editorial'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='availabilitywindow',
            index=models.Index(models.F(bound), name=f'window_{bound}', condition=models.Q((f'{bound}__isnull', False))),
        )
        for bound in ('starts_at', 'starts_on', 'ends_at', 'ends_on')
    ]
