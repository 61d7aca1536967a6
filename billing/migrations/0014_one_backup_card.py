"""Cards are many by now, so this index is built while they are used."""

from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0013_access_grants_and_backup_cards")]

    operations = [
        migrations.RunSQL(
            "CREATE UNIQUE INDEX CONCURRENTLY payment_method_one_backup"
            " ON billing_paymentmethod (account_id) WHERE is_backup",
            "DROP INDEX CONCURRENTLY payment_method_one_backup",
            state_operations=[
                migrations.AddConstraint(
                    model_name="paymentmethod",
                    constraint=models.UniqueConstraint(
                        fields=["account"], condition=models.Q(is_backup=True), name="payment_method_one_backup"
                    ),
                )
            ],
        )
    ]
