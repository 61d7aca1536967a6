from django.db import migrations, models
from django.db.models import F, Q

from core.concurrently import AddIndexConcurrently, RemoveIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("billing", "0035_index_of_webhooks_applied"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="paymentattempt",
            index=models.Index(
                F("claimed_until"), condition=Q(("state", "requires_action")), name="payment_attempt_left_lying"
            ),
        ),
        # What asks by it still finds the same rows by the other.
        RemoveIndexConcurrently(model_name="paymentattempt", name="payment_attempt_waiting"),
    ]
