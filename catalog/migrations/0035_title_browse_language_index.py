from django.db import migrations, models
from django.db.models.functions import Upper

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):

    # Titles are ingested all the time.
    atomic = False

    dependencies = [
        ('catalog', '0034_title_withdrawn_in_index'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='title',
            index=models.Index(Upper('original_language'), models.OrderBy(models.F('id'), descending=True), name='title_browse_language', condition=models.Q(('parent__isnull', True), ('state', 'published'))),
        ),
    ]
