from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


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
