"""Holds rows from before to what was asked of new ones alone, so that no table was locked while it was read.

Where they have been held to it already, nothing is read. Each by itself: in one transaction the locks of the first would
be held while the last is read.
"""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0027_credit_taken_back")]

    operations = [
        ValidateConstraint("invoiceline", "invoice_line_discount_not_negative"),
        ValidateConstraint("invoiceline", "invoice_line_of_a_plan_names_its_price"),
        ValidateConstraint("invoice", "invoice_total_not_negative"),
        ValidateConstraint("invoice", "invoice_due_not_negative"),
        ValidateConstraint("invoice", "invoice_of_a_subscription_names_it"),
        ValidateConstraint("subscription", "subscription_is_scheduled_when_billable"),
        ValidateConstraint("subscription", "subscription_pause_ends"),
        ValidateConstraint("paymentmethod", "payment_method_backup_is_another"),
    ]
