"""A period may end earlier than planned, where a change of interval begins another; nothing else of it changes."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION billing_period_shortened_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW."end" < OLD."end"
       AND (to_jsonb(NEW) - 'end') = (to_jsonb(OLD) - 'end') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'period % can only be cut short', OLD.id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_period_shortened_only';
END $$;
DROP TRIGGER billing_append_only ON billing_period;
CREATE TRIGGER billing_period_shortened_only BEFORE UPDATE OR DELETE ON billing_period
    FOR EACH ROW EXECUTE FUNCTION billing_period_shortened_only();
"""

BACK = """
DROP TRIGGER billing_period_shortened_only ON billing_period;
CREATE TRIGGER billing_append_only BEFORE UPDATE OR DELETE ON billing_period
    FOR EACH ROW EXECUTE FUNCTION billing_append_only();
DROP FUNCTION billing_period_shortened_only();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_offer_terms_trials_and_pauses")]

    operations = [migrations.RunSQL(FORWARD, BACK)]
