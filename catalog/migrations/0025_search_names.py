from typing import Any

from django.db import migrations, models


def have_documents_written_anew(apps: Any, schema_editor: Any) -> None:
    """Leave it to the task that follows renames: a thousand titles at a time, in transactions of their own."""
    if apps.get_model("catalog", "SearchDocument").objects.exists():
        apps.get_model("catalog", "SearchRename").objects.get_or_create(kind="all", key="names")


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0024_names_by_editors'),
    ]

    operations = [
        migrations.AddField(
            model_name='searchdocument',
            name='names',
            field=models.TextField(db_default='', default='', help_text='All names with their spellings and languages, for the rank: /en/ copper moon /de/ kupfermond /'),
        ),
        migrations.AlterField(
            model_name='searchdocument',
            name='name',
            field=models.TextField(help_text='The folded first name: those that begin alike stand together.'),
        ),
        migrations.AlterField(
            model_name='searchrename',
            name='key',
            field=models.CharField(help_text='The primary key of what was renamed; of all, what for.', max_length=36),
        ),
        migrations.AlterField(
            model_name='searchrename',
            name='kind',
            field=models.CharField(choices=[('person', 'Person'), ('genre', 'Genre'), ('keyword', 'Keyword'), ('all', 'All')], max_length=10),
        ),
        migrations.RunPython(have_documents_written_anew, migrations.RunPython.noop),
    ]
