from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0030_quotes_say_what_is_charged"),
    ]

    operations = [
        migrations.CreateModel(
            name="Setback",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "sweep",
                    models.CharField(
                        choices=[
                            ("renewals", "renewals"),
                            ("payments", "payments"),
                            ("refunds", "refunds"),
                            ("gift_mails", "mails of gifts"),
                            ("gift_ends", "ends of gifts"),
                            ("receipts", "receipts"),
                            ("price_notices", "notices of new prices"),
                            ("reminders", "reminders"),
                            ("card_warnings", "warnings of cards that end"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "row",
                    models.UUIDField(
                        help_text="The key of the row: a subscription's for renewals, a payment attempt's for payments."
                    ),
                ),
                ("failures", models.PositiveIntegerField()),
                ("error", models.CharField(max_length=500)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("next_try_at", models.DateTimeField()),
            ],
            options={
                "permissions": [("retry_setback", "Can have what failed tried again")],
                "constraints": [
                    models.UniqueConstraint(fields=("sweep", "row"), name="setback_one_of_a_row"),
                    models.CheckConstraint(condition=Q(("failures__gte", 1)), name="setback_has_failed"),
                ],
            },
        ),
    ]
