"""What must not change after it was written is refused by the database, whoever asks."""

from django.db import migrations

PRICES = """
CREATE FUNCTION billing_price_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Superseding is the one thing that happens to a version, and it happens once.
    IF OLD.superseded_at IS NULL
       AND (to_jsonb(NEW) - 'superseded_at') = (to_jsonb(OLD) - 'superseded_at') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'price % is a version and never changes; add another', OLD.id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_price_immutable';
END $$;
CREATE TRIGGER billing_price_immutable BEFORE UPDATE ON billing_price
    FOR EACH ROW EXECUTE FUNCTION billing_price_immutable();
"""

INVOICES = """
CREATE FUNCTION billing_invoice_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'draft' THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'invoice % is finalised and cannot be deleted; void it', OLD.number
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_invoice_immutable';
    END IF;
    IF (NEW.id, NEW.account_id, NEW.subscription_id, NEW.kind, NEW.currency, NEW.total, NEW.line_count,
        NEW.series_id, NEW.sequence, NEW.number, NEW.created_at, NEW.finalised_at)
       IS DISTINCT FROM
       (OLD.id, OLD.account_id, OLD.subscription_id, OLD.kind, OLD.currency, OLD.total, OLD.line_count,
        OLD.series_id, OLD.sequence, OLD.number, OLD.created_at, OLD.finalised_at)
       OR NEW.period_id IS DISTINCT FROM OLD.period_id THEN
        RAISE EXCEPTION 'invoice % is finalised and does not change', OLD.number
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_invoice_immutable';
    END IF;
    IF NEW.status <> OLD.status AND NOT (
        (OLD.status = 'open' AND NEW.status IN ('paid', 'void', 'uncollectible'))
        OR (OLD.status = 'uncollectible' AND NEW.status IN ('paid', 'void'))
    ) THEN
        RAISE EXCEPTION 'invoice % cannot go from % to %', OLD.number, OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_invoice_transition';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_invoice_immutable BEFORE UPDATE OR DELETE ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION billing_invoice_immutable();

-- At commit, so that invoice and lines can be written in either order.
CREATE FUNCTION billing_invoice_adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lines integer;
    amount bigint;
BEGIN
    SELECT count(*), coalesce(sum(line.amount), 0) INTO lines, amount
        FROM billing_invoiceline line WHERE line.invoice_id = NEW.id;
    IF lines <> NEW.line_count OR amount <> NEW.total THEN
        RAISE EXCEPTION 'invoice %: % lines make %, it says % and %', NEW.number, lines, amount, NEW.line_count, NEW.total
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_invoice_adds_up';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER billing_invoice_adds_up_when_made AFTER INSERT ON billing_invoice
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status <> 'draft')
    EXECUTE FUNCTION billing_invoice_adds_up();
CREATE CONSTRAINT TRIGGER billing_invoice_adds_up_when_finalised AFTER UPDATE ON billing_invoice
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.status = 'draft' AND NEW.status <> 'draft')
    EXECUTE FUNCTION billing_invoice_adds_up();
"""

LINES = """
CREATE FUNCTION billing_invoice_line_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM billing_invoice
        WHERE id IN (OLD.invoice_id, CASE WHEN TG_OP = 'UPDATE' THEN NEW.invoice_id END) AND status <> 'draft'
    ) THEN
        RAISE EXCEPTION 'the lines of a finalised invoice do not change'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_invoice_line_immutable';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_invoice_line_immutable BEFORE UPDATE OR DELETE ON billing_invoiceline
    FOR EACH ROW EXECUTE FUNCTION billing_invoice_line_immutable();

-- Once a statement: a finalised invoice has as many lines as it says, so none can be added to it.
CREATE FUNCTION billing_invoice_line_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM (SELECT DISTINCT invoice_id FROM added) touched
        JOIN billing_invoice invoice ON invoice.id = touched.invoice_id AND invoice.status <> 'draft'
        WHERE invoice.line_count < (SELECT count(*) FROM billing_invoiceline WHERE invoice_id = invoice.id)
    ) THEN
        RAISE EXCEPTION 'a finalised invoice takes no further lines'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_invoice_line_count';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER billing_invoice_line_count AFTER INSERT ON billing_invoiceline
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION billing_invoice_line_count();
"""

HISTORY = """
CREATE FUNCTION billing_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billing_append_only';
END $$;
CREATE TRIGGER billing_append_only BEFORE UPDATE OR DELETE ON billing_subscriptiontransition
    FOR EACH ROW EXECUTE FUNCTION billing_append_only();
CREATE TRIGGER billing_append_only BEFORE UPDATE OR DELETE ON billing_period
    FOR EACH ROW EXECUTE FUNCTION billing_append_only();
"""

UNDO = """
DROP TRIGGER billing_append_only ON billing_period;
DROP TRIGGER billing_append_only ON billing_subscriptiontransition;
DROP FUNCTION billing_append_only();
DROP TRIGGER billing_invoice_line_count ON billing_invoiceline;
DROP FUNCTION billing_invoice_line_count();
DROP TRIGGER billing_invoice_line_immutable ON billing_invoiceline;
DROP FUNCTION billing_invoice_line_immutable();
DROP TRIGGER billing_invoice_adds_up_when_finalised ON billing_invoice;
DROP TRIGGER billing_invoice_adds_up_when_made ON billing_invoice;
DROP FUNCTION billing_invoice_adds_up();
DROP TRIGGER billing_invoice_immutable ON billing_invoice;
DROP FUNCTION billing_invoice_immutable();
DROP TRIGGER billing_price_immutable ON billing_price;
DROP FUNCTION billing_price_immutable();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunSQL(PRICES + INVOICES + LINES + HISTORY, UNDO)]
