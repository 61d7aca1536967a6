from django.db import migrations

FOLLOW = """
CREATE FUNCTION catalog_windows_follow_title() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalog_availabilitywindow SET series_id = NEW.series_id WHERE title_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER catalog_windows_follow_title AFTER UPDATE OF series_id ON catalog_title
    FOR EACH ROW WHEN (OLD.series_id IS DISTINCT FROM NEW.series_id) EXECUTE FUNCTION catalog_windows_follow_title();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0029_series_of_windows'),
    ]

    operations = [
        migrations.RunSQL(FOLLOW, 'DROP TRIGGER catalog_windows_follow_title ON catalog_title; DROP FUNCTION catalog_windows_follow_title;'),
    ]
