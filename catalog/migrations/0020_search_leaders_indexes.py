import django.contrib.postgres.indexes
from django.db import migrations, models

from core.concurrently import AddIndexConcurrently, RemoveIndexConcurrently


class Migration(migrations.Migration):

    # Titles are searched and written all the time.
    atomic = False

    dependencies = [
        ('catalog', '0019_search_leaders'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='searchdocument',
            index=django.contrib.postgres.indexes.GinIndex(models.F('words'), condition=models.Q(('leads', True)), name='search_document_leaders'),
        ),
        AddIndexConcurrently(
            model_name='searchdocument',
            index=models.Index(models.F('standing'), condition=models.Q(('leads', True)), name='search_document_least'),
        ),
        # The version before orders by it when many titles match: slower while both serve, and right.
        RemoveIndexConcurrently(
            model_name='searchdocument',
            name='search_document_standing',
        ),
    ]
