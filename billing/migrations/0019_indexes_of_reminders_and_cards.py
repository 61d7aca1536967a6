import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

from core.concurrently import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("billing", "0018_restarts_and_resumptions"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="paymentmethod",
            index=models.Index(
                condition=Q(("is_default", True)), fields=["exp_year", "exp_month"], name="payment_method_expiring"
            ),
        ),
        AddIndexConcurrently(
            model_name="paymentmethod",
            index=models.Index(
                condition=Q(("fingerprint", ""), _negated=True),
                fields=["fingerprint"],
                name="payment_method_fingerprint",
            ),
        ),
        AddIndexConcurrently(
            model_name="paymentattempt",
            index=models.Index(
                condition=Q(("state", "failed")),
                fields=["payment_method", "settled_at"],
                name="payment_attempt_declined",
            ),
        ),
        AddIndexConcurrently(
            model_name="subscription",
            index=models.Index(fields=["price", "paid_through"], name="subscription_of_price"),
        ),
        AddIndexConcurrently(
            model_name="subscription",
            index=models.Index(
                condition=Q(("status", "trialing")), fields=["paid_through"], name="subscription_trial_ends"
            ),
        ),
        # The new index serves what its own did.
        migrations.AlterField(
            model_name="subscription",
            name="price",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="subscriptions",
                to="billing.price",
            ),
        ),
    ]
