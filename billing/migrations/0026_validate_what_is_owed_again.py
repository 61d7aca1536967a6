"""Holds old rows to what new ones are held to; by itself, so that the tables are not locked while they are read."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0025_credit_owed_again"),
    ]

    operations = [
        ValidateConstraint("refund", "refund_owed_again_is_of_a_card"),
        ValidateConstraint("creditgrant", "credit_grant_remaining_within"),
    ]
