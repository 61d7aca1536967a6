import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0023_artwork_by_region'),
    ]

    operations = [
        migrations.AddField(
            model_name='person',
            name='named_by',
            field=models.CharField(blank=True, db_default='', default='', editable=False, help_text='user:<id> who spelled the name, against what deliveries say; empty: the first delivery.', max_length=100),
        ),
        migrations.AddField(
            model_name='genre',
            name='merged_into',
            field=models.ForeignKey(blank=True, db_index=False, editable=False, help_text='What it stands for.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.genre'),
        ),
        migrations.AddField(
            model_name='keyword',
            name='merged_into',
            field=models.ForeignKey(blank=True, db_index=False, editable=False, help_text='What it stands for.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.keyword'),
        ),
        migrations.AddConstraint(
            model_name='genre',
            constraint=models.CheckConstraint(condition=models.Q(('merged_into__isnull', True), models.Q(('merged_into', models.F('id')), _negated=True), _connector='OR'), name='genre_stands_for_another'),
        ),
        migrations.AddConstraint(
            model_name='keyword',
            constraint=models.CheckConstraint(condition=models.Q(('merged_into__isnull', True), models.Q(('merged_into', models.F('id')), _negated=True), _connector='OR'), name='keyword_stands_for_another'),
        ),
    ]
