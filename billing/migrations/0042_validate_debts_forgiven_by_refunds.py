"""Holds old rows to what new ones are held to; by itself, so that the table is not locked while it is read."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0041_debts_forgiven_by_refunds"),
    ]

    operations = [
        ValidateConstraint("refund", "refund_forgiven_is_a_part"),
    ]
