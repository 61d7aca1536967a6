from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0037_plans_tried_again'),
    ]

    operations = [
        migrations.AddField(
            model_name='takenfile',
            name='has_path',
            field=models.BooleanField(db_default=False, default=True, help_text='False: taken by a release that knew files by their last names alone.'),
        ),
    ]
