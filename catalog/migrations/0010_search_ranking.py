import django.contrib.postgres.fields
import django.db.models.deletion
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0009_calendar_indexes'),
    ]

    operations = [
        migrations.CreateModel(
            name='SearchCompletion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('prefix', models.CharField(max_length=3)),
                ('begins', models.BooleanField(help_text='The whole name begins so, not only a word of it.')),
                ('standing', models.FloatField(help_text="The title's, when the row was written.")),
            ],
        ),
        migrations.CreateModel(
            name='SearchMiss',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('query', models.CharField(help_text='Folded: lower case, without accents and punctuation.', max_length=60, verbose_name='query')),
                ('language', models.CharField(blank=True, max_length=20, verbose_name='language')),
                ('country', models.CharField(max_length=2, verbose_name='country')),
                ('times', models.PositiveIntegerField(default=1, verbose_name='times')),
                ('first_on', models.DateField(verbose_name='first on')),
                ('last_on', models.DateField(verbose_name='last on')),
            ],
            options={
                'verbose_name': 'search without result',
                'verbose_name_plural': 'searches without result',
            },
        ),
        migrations.AddField(
            model_name='searchdocument',
            name='base',
            field=models.FloatField(db_default=0.0, default=0, help_text="The place without popularity: editors' weight, date of release."),
        ),
        migrations.AddField(
            model_name='searchdocument',
            name='is_part',
            field=models.BooleanField(db_default=False, default=False, help_text='An episode: comes after what stands alone.'),
        ),
        migrations.AddField(
            model_name='searchdocument',
            name='standing',
            field=models.FloatField(db_default=0.0, default=0, help_text='base + ln(1 + popularity): the place among equals.'),
        ),
        migrations.AddField(
            model_name='searchword',
            name='languages',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), db_default=models.Value([], django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), size=None)), default=list, help_text='Of names that contain it, BCP 47; none: people alone.', size=None),
        ),
        migrations.AddField(
            model_name='title',
            name='editorial_weight',
            field=models.SmallIntegerField(db_default=0, default=0, help_text='From -10 to 10: comes earlier or later among equal matches of a search. 1 outdoes any date of release.'),
        ),
        migrations.AlterField(
            model_name='searchdocument',
            name='popularity',
            field=models.FloatField(db_default=0.0, default=0, help_text='As the apps above know it; from 0, without a top.'),
        ),
        AddConstraintNotValid(
            model_name='title',
            constraint=models.CheckConstraint(condition=models.Q(('editorial_weight__gte', -10), ('editorial_weight__lte', 10)), name='title_editorial_weight_bounded'),
        ),
        migrations.AddField(
            model_name='searchcompletion',
            name='title',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.title'),
        ),
        migrations.AddIndex(
            model_name='searchmiss',
            index=models.Index(models.OrderBy(models.F('times'), descending=True), models.F('id'), name='search_miss_times'),
        ),
        migrations.AddIndex(
            model_name='searchmiss',
            index=models.Index(models.F('last_on'), name='search_miss_last'),
        ),
        migrations.AddConstraint(
            model_name='searchmiss',
            constraint=models.UniqueConstraint(fields=('query', 'language', 'country'), name='search_miss_once'),
        ),
        migrations.AddIndex(
            model_name='searchcompletion',
            index=models.Index(models.F('prefix'), models.OrderBy(models.F('begins'), descending=True), models.OrderBy(models.F('standing'), descending=True), name='search_completion_best'),
        ),
        migrations.AddConstraint(
            model_name='searchcompletion',
            constraint=models.UniqueConstraint(fields=('prefix', 'title'), name='search_completion_once'),
        ),
    ]
