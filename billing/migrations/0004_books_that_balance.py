"""The database itself keeps the books balanced and append-only; and the tax rates that are facts."""

import csv
from pathlib import Path
from typing import Any

from django.db import migrations

JOURNAL = """
-- Once an entry, at commit, whatever was written in which order: a trigger a line would cost several times more.
CREATE FUNCTION billing_entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lines integer;
    amount bigint;
BEGIN
    SELECT count(*), coalesce(sum(line.amount), 0) INTO lines, amount
        FROM billing_journalline line WHERE line.entry_id = NEW.id;
    IF lines < 2 OR amount <> 0 THEN
        RAISE EXCEPTION 'journal entry %: % lines that make %', NEW.source_key, lines, amount
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_entry_balances';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER billing_entry_balances AFTER INSERT ON billing_journalentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_entry_balances();

-- Lines of a committed entry were balanced; another one later would go unseen.
CREATE FUNCTION billing_entry_is_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM added JOIN billing_journalentry entry ON entry.id = added.entry_id
        WHERE entry.transaction <> txid_current()
    ) THEN
        RAISE EXCEPTION 'lines are written with their journal entry and not later'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_entry_is_closed';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER billing_entry_is_closed AFTER INSERT ON billing_journalline
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION billing_entry_is_closed();

CREATE TRIGGER billing_append_only BEFORE UPDATE OR DELETE ON billing_journalentry
    FOR EACH ROW EXECUTE FUNCTION billing_append_only();
CREATE TRIGGER billing_append_only BEFORE UPDATE OR DELETE ON billing_journalline
    FOR EACH ROW EXECUTE FUNCTION billing_append_only();
CREATE TRIGGER billing_append_only BEFORE UPDATE OR DELETE ON billing_revenueschedule
    FOR EACH ROW EXECUTE FUNCTION billing_append_only();
CREATE TRIGGER billing_append_only BEFORE UPDATE OR DELETE ON billing_recognisedday
    FOR EACH ROW EXECUTE FUNCTION billing_append_only();

CREATE FUNCTION billing_invoice_credit_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'invoice % is finalised and does not change', OLD.number
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_invoice_immutable';
END $$;
CREATE TRIGGER billing_invoice_credit_immutable BEFORE UPDATE ON billing_invoice FOR EACH ROW
    WHEN (OLD.status <> 'draft' AND OLD.credit_applied IS DISTINCT FROM NEW.credit_applied)
    EXECUTE FUNCTION billing_invoice_credit_immutable();
"""

UNDO = """
DROP TRIGGER billing_invoice_credit_immutable ON billing_invoice;
DROP FUNCTION billing_invoice_credit_immutable();
DROP TRIGGER billing_append_only ON billing_recognisedday;
DROP TRIGGER billing_append_only ON billing_revenueschedule;
DROP TRIGGER billing_append_only ON billing_journalline;
DROP TRIGGER billing_append_only ON billing_journalentry;
DROP TRIGGER billing_entry_is_closed ON billing_journalline;
DROP FUNCTION billing_entry_is_closed();
DROP TRIGGER billing_entry_balances ON billing_journalentry;
DROP FUNCTION billing_entry_balances();
"""


def load_rates(apps: Any, schema_editor: Any) -> None:
    """Standard rates by country; reduced ones do not apply to streaming. Staff add what comes."""
    TaxRate = apps.get_model("billing", "TaxRate")  # noqa: N806 - a class
    with (Path(__file__).parents[1] / "tax_rates.csv").open() as file:
        TaxRate.objects.bulk_create(
            TaxRate(country=row["country"], starts=row["from"], ends=row["to"] or None, rate=row["rate"])
            for row in csv.DictReader(file)
        )


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_ledger_and_tax")]

    operations = [
        migrations.RunSQL(JOURNAL, UNDO),
        migrations.RunPython(load_rates, migrations.RunPython.noop),
    ]
