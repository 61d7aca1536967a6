from django.db import migrations, models
from django.db.models import F, Q

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("billing", "0031_setbacks"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="webhookevent",
            index=models.Index(F("id"), condition=Q(("status", "failed")), name="webhook_event_given_up"),
        ),
    ]
