"""Seller, buyer and receipts of documents."""

import core.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


UNCHANGED = """
CREATE FUNCTION billing_version_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% % was shown on documents and never changes; add another', TG_TABLE_NAME, OLD.id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_version_immutable';
END $$;
CREATE TRIGGER billing_seller_immutable BEFORE UPDATE OR DELETE ON billing_seller
    FOR EACH ROW EXECUTE FUNCTION billing_version_immutable();
CREATE TRIGGER billing_details_immutable BEFORE UPDATE ON billing_billingdetails
    FOR EACH ROW EXECUTE FUNCTION billing_version_immutable();
"""
CHANGEABLE = """
DROP TRIGGER billing_details_immutable ON billing_billingdetails;
DROP TRIGGER billing_seller_immutable ON billing_seller;
DROP FUNCTION billing_version_immutable;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0014_one_backup_card'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ReceiptMark',
            fields=[
                ('one', models.BooleanField(default=True, primary_key=True, serialize=False)),
                ('transaction', models.BigIntegerField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('one', True)), name='receipt_mark_is_one')],
            },
        ),
        migrations.CreateModel(
            name='Seller',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200)),
                ('address', models.TextField(blank=True)),
                ('tax_id', models.CharField(blank=True, max_length=30)),
                ('register', models.CharField(blank=True, help_text='Company register and number.', max_length=200)),
                ('email', models.CharField(blank=True, max_length=254)),
                ('since', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('since',), name='seller_one_at_a_time')],
            },
        ),
        migrations.CreateModel(
            name='BillingDetails',
            fields=[
                ('id', models.UUIDField(default=core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('address', models.TextField(blank=True, help_text='As it is written on a letter, in lines.', max_length=500)),
                ('tax_id', models.CharField(blank=True, help_text='VAT number and the like, shown as given.', max_length=30)),
                ('created_at', models.DateTimeField()),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='billing_details', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'billing details',
                'indexes': [models.Index(models.F('account'), models.OrderBy(models.F('created_at'), descending=True), name='billing_details_of_account')],
                'constraints': [models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='billing_details_name_somebody')],
            },
        ),
        migrations.RunSQL(UNCHANGED, CHANGEABLE),
    ]
