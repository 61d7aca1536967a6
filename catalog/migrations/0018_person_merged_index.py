from django.db import migrations, models

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):

    # People are written all the time.
    atomic = False

    dependencies = [
        ('catalog', '0017_people_merges'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='person',
            index=models.Index(models.F('merged_into'), condition=models.Q(('merged_into__isnull', False)), name='person_merged'),
        ),
    ]
