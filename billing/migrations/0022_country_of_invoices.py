"""The country whose tax an invoice bears: told when it is made, and not changed once it is issued.

By itself, so that invoices are locked for a moment and nothing else is. A database that has the column already, since
it was added with the place of taxation once, gets the same.
"""

from typing import Any

from django.db import migrations, models

COLUMN = "ALTER TABLE billing_invoice ADD COLUMN IF NOT EXISTS country varchar(2) DEFAULT '' NOT NULL"

TRIGGERS = """
-- The version before knows no country and still makes invoices while this one is rolled out.
CREATE OR REPLACE FUNCTION billing_invoice_country_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.country := coalesce((SELECT country FROM billing_subscription WHERE id = NEW.subscription_id), '');
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER billing_invoice_country_told BEFORE INSERT ON billing_invoice
    FOR EACH ROW WHEN (NEW.country = '' AND NEW.subscription_id IS NOT NULL)
    EXECUTE FUNCTION billing_invoice_country_told();

CREATE OR REPLACE FUNCTION billing_invoice_country_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Whose tax it bears is decided when it is finalised; what was issued before the column came is told once.
    IF OLD.status <> 'draft' AND OLD.country <> '' AND NEW.country <> OLD.country THEN
        RAISE EXCEPTION 'invoice % is finalised and does not change', OLD.number
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_invoice_immutable';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER billing_invoice_country_immutable BEFORE UPDATE OF country ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION billing_invoice_country_immutable();
"""

NO_TRIGGERS = """
DROP TRIGGER billing_invoice_country_immutable ON billing_invoice;
DROP FUNCTION billing_invoice_country_immutable();
DROP TRIGGER billing_invoice_country_told ON billing_invoice;
DROP FUNCTION billing_invoice_country_told();
"""


class AddUnlessThere(migrations.AddField):
    """Adds the column to a database that does not have it yet."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        schema_editor.execute(COLUMN)


class Migration(migrations.Migration):
    dependencies = [("billing", "0021_disputes_answered_and_parked")]

    operations = [
        AddUnlessThere(
            model_name='invoice',
            name='country',
            field=models.CharField(blank=True, db_default='', default='', help_text='Whose tax it bears, ISO 3166-1.', max_length=2),
        ),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]
