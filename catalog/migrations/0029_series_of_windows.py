from django.db import migrations, models

# Whoever writes a licence of a title has locked the title, as whoever moves it to another series: neither misses the other.
KEEP = """
CREATE FUNCTION catalog_window_series() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.series_id := (SELECT title.series_id FROM catalog_title AS title WHERE title.id = NEW.title_id);
    RETURN NEW;
END $$;
CREATE TRIGGER catalog_window_series BEFORE INSERT OR UPDATE OF title_id, series_id ON catalog_availabilitywindow
    FOR EACH ROW EXECUTE FUNCTION catalog_window_series();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0028_title_withdrawn_index'),
    ]

    operations = [
        migrations.AddField(
            model_name='availabilitywindow',
            name='series_id',
            field=models.UUIDField(editable=False, help_text='The series of its title, kept beside it: all licences of its parts are asked for often.', null=True),
        ),
        migrations.RunSQL(KEEP, 'DROP TRIGGER catalog_window_series ON catalog_availabilitywindow; DROP FUNCTION catalog_window_series;'),
    ]
