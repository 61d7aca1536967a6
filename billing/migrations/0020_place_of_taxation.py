"""Where each subscription is taxed and why, and the rates of territories.

What subscriptions are locked for comes last, so that nothing else is waited for while they are.
"""

import csv
from pathlib import Path
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

TAX_PLACES_STAY = """
CREATE TRIGGER billing_append_only BEFORE UPDATE OR DELETE ON billing_taxplace
    FOR EACH ROW EXECUTE FUNCTION billing_append_only();
"""

UNDO = "DROP TRIGGER billing_append_only ON billing_taxplace"

# Until a day that still belongs to the rate, by mistake: on it there was none.
CLOSE_GAPS = """
UPDATE billing_taxrate rate SET ends = rate.ends + 1
WHERE EXISTS (SELECT 1 FROM billing_taxrate next WHERE next.country = rate.country AND next.starts = rate.ends + 1)
"""


def load_territories(apps: Any, schema_editor: Any) -> None:
    """Rates of places where their country's tax does not hold."""
    TaxRate = apps.get_model("billing", "TaxRate")  # noqa: N806 - a class
    with (Path(__file__).parents[1] / "tax_territories.csv").open() as file:
        TaxRate.objects.bulk_create(
            TaxRate(country=row["territory"], starts=row["from"], ends=row["to"] or None, rate=row["rate"])
            for row in csv.DictReader(file)
        )


def forget_territories(apps: Any, schema_editor: Any) -> None:
    """Leave what the narrower column can hold."""
    apps.get_model("billing", "TaxRate").objects.filter(country__contains="-").delete()


class Migration(migrations.Migration):
    dependencies = [("billing", "0019_indexes_of_reminders_and_cards")]

    operations = [
        migrations.CreateModel(
            name='TaxPlace',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('declared', models.CharField(blank=True, help_text='Of the billing address, or else of the account.', max_length=2)),
                ('card', models.CharField(blank=True, help_text='Where the card was issued.', max_length=2)),
                ('address', models.CharField(blank=True, help_text='Where the request came from.', max_length=2)),
                ('postal_code', models.CharField(blank=True, help_text='Of the billing address.', max_length=12)),
                ('country', models.CharField(blank=True, help_text='What two of them say; empty if no two agree.', max_length=2)),
                ('territory', models.CharField(blank=True, help_text='The part of it with a tax of its own.', max_length=8)),
                ('cause', models.CharField(choices=[('subscribed', 'subscribed'), ('card', 'another card'), ('declared', 'another address')], max_length=10)),
                ('decided_at', models.DateTimeField()),
                ('effective_at', models.DateTimeField(blank=True, help_text='From the boundary then on; empty where it changes nothing.', null=True)),
            ],
        ),
        migrations.AddField(
            model_name='taxplace',
            name='price',
            field=models.ForeignKey(blank=True, db_index=False, help_text='What the customer was told to pay there.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.price'),
        ),
        migrations.RemoveConstraint(
            model_name='taxrate',
            name='tax_rate_country_is_iso',
        ),
        migrations.AlterField(
            model_name='taxrate',
            name='country',
            field=models.CharField(help_text='ISO 3166-1, or with a suffix a part of a country where its tax does not hold: ES-CN.', max_length=8),
        ),
        migrations.AddConstraint(
            model_name='taxrate',
            constraint=models.CheckConstraint(condition=models.Q(('country__regex', '^[A-Z]{2}(-[A-Z0-9]{1,5})?$')), name='tax_rate_country_is_iso'),
        ),
        migrations.RunSQL(CLOSE_GAPS, migrations.RunSQL.noop),
        migrations.RunPython(load_territories, forget_territories),
        migrations.AddField(
            model_name='billingdetails',
            name='country',
            field=models.CharField(blank=True, db_default='', default='', help_text="ISO 3166-1; empty is the account's.", max_length=2),
        ),
        migrations.AddField(
            model_name='billingdetails',
            name='postal_code',
            field=models.CharField(blank=True, db_default='', default='', max_length=12),
        ),
        migrations.AddField(
            model_name='subscription',
            name='moves_at',
            field=models.DateTimeField(blank=True, help_text='From this boundary on it is billed where its latest tax place says.', null=True),
        ),
        migrations.AddField(
            model_name='subscription',
            name='territory',
            field=models.CharField(blank=True, db_default='', default='', help_text='The part of the country with a tax of its own.', max_length=8),
        ),
        migrations.AlterField(
            model_name='subscription',
            name='country',
            field=models.CharField(blank=True, help_text='Where it is priced and taxed, ISO 3166-1; its latest tax place says why.', max_length=2),
        ),
        migrations.AddField(
            model_name='taxplace',
            name='subscription',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tax_places', to='billing.subscription'),
        ),
        migrations.AddConstraint(
            model_name='taxplace',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('country', ''), ('territory', '')), models.Q(('country', models.F('declared')), ('declared', models.F('card'))), models.Q(('country', models.F('declared')), ('declared', models.F('address'))), models.Q(('card', models.F('address')), ('country', models.F('card'))), models.Q(('address', ''), ('card', ''), ('country', models.F('declared'))), models.Q(models.Q(('postal_code', ''), _negated=True), models.Q(('declared', models.F('card')), ('declared', models.F('address')), models.Q(('address', ''), ('card', '')), _connector='OR')), _connector='OR'), name='tax_place_two_agree'),
        ),
        migrations.AddConstraint(
            model_name='taxplace',
            constraint=models.CheckConstraint(condition=models.Q(('territory', ''), models.Q(('country', ''), _negated=True), _connector='OR'), name='tax_place_territory_is_of_country'),
        ),
        migrations.RunSQL(TAX_PLACES_STAY, UNDO),
    ]
