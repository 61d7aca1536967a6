from django.db import migrations, models

KEEP = """
CREATE FUNCTION catalog_title_withdrawn_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.withdrawn_in := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;
CREATE TRIGGER catalog_title_made_withdrawn BEFORE INSERT ON catalog_title
    FOR EACH ROW WHEN (NEW.state = 'withdrawn') EXECUTE FUNCTION catalog_title_withdrawn_in();
CREATE TRIGGER catalog_title_withdrawn BEFORE UPDATE OF state ON catalog_title
    FOR EACH ROW WHEN (NEW.state = 'withdrawn' AND OLD.state <> 'withdrawn') EXECUTE FUNCTION catalog_title_withdrawn_in();
"""
DROP = """
DROP TRIGGER catalog_title_withdrawn ON catalog_title;
DROP TRIGGER catalog_title_made_withdrawn ON catalog_title;
DROP FUNCTION catalog_title_withdrawn_in;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0032_indexes_of_regions_and_names'),
    ]

    operations = [
        migrations.AddField(
            model_name='title',
            name='withdrawn_in',
            field=models.BigIntegerField(db_default=0, default=0, editable=False, help_text='The number of the transaction that withdrew it; 0: before numbers were kept.'),
        ),
        migrations.RunSQL(KEEP, DROP),
    ]
