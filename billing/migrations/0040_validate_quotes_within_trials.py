"""Holds old rows to what new ones are held to; by itself, so that the table is not locked while it is read."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0039_quotes_within_trials"),
    ]

    operations = [
        ValidateConstraint("quote", "quote_within_trial_charges_nothing"),
    ]
