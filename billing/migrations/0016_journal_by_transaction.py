from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("billing", "0015_documents"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="journalentry",
            index=BrinIndex(autosummarize=True, fields=["transaction"], name="journal_entry_transaction"),
        ),
    ]
