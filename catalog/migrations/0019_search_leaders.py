from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0018_person_merged_index'),
    ]

    operations = [
        migrations.AddField(
            model_name='searchdocument',
            name='leads',
            field=models.BooleanField(db_default=False, default=False, help_text='One of the best: what very many titles share is looked for here.'),
        ),
    ]
