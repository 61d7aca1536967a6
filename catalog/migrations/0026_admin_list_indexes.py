from django.db import migrations, models

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):

    # Titles are ingested all the time.
    atomic = False

    dependencies = [
        ('catalog', '0025_search_names'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='title',
            index=models.Index(models.F('kind'), models.OrderBy(models.F('id'), descending=True), name='title_kind'),
        ),
        AddIndexConcurrently(
            model_name='sourcerecord',
            index=models.Index(models.F('provider'), models.OrderBy(models.F('title'), descending=True), name='source_record_titles'),
        ),
    ]
