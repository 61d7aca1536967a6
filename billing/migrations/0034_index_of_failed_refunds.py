from django.db import migrations, models
from django.db.models import F, Q

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("billing", "0033_requests_of_withdrawals_and_gifts"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="refund",
            index=models.Index(F("id"), condition=Q(("state", "failed")), name="refund_failed"),
        ),
    ]
