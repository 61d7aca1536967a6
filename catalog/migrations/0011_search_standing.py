from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):

    # Titles are searched and written all the time.
    atomic = False

    dependencies = [
        ('catalog', '0010_search_ranking'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='searchdocument',
            index=models.Index(models.OrderBy(models.F('standing'), descending=True), models.F('title'), name='search_document_standing'),
        ),
        ValidateConstraint('title', 'title_editorial_weight_bounded'),
    ]
