from django.db import migrations, models
from django.db.models import F, Q

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("billing", "0034_index_of_failed_refunds"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="webhookevent",
            index=models.Index(
                F("processed_at"), condition=Q(("processed_at__isnull", False)), name="webhook_event_applied"
            ),
        ),
    ]
