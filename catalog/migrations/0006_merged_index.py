from django.db import migrations, models

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):

    # Titles are written all the time.
    atomic = False

    dependencies = [
        ('catalog', '0005_matching'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='title',
            index=models.Index(models.F('merged_into'), condition=models.Q(('merged_into__isnull', False)), name='title_merged'),
        ),
    ]
