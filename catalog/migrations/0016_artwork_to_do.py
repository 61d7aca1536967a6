from django.db import migrations, models

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):

    # Images arrive all the time.
    atomic = False

    dependencies = [
        ('catalog', '0015_artwork_sizes'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='artwork',
            index=models.Index(models.F('due_at'), models.F('id'), condition=models.Q(models.Q(models.Q(('file', ''), ('source__startswith', 'http')), models.Q(models.Q(('file', ''), _negated=True), ('renditions', [])), _connector='OR'), ('attempts__lt', 5)), name='artwork_to_do'),
        ),
    ]
