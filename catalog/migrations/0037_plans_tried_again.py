from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0036_arriving_files'),
    ]

    operations = [
        migrations.AddField(
            model_name='scheduledact',
            name='attempts',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text='How often something went wrong that was no refusal.'),
        ),
        migrations.AddField(
            model_name='scheduledact',
            name='retry_at',
            field=models.DateTimeField(blank=True, help_text='Not before; null: nothing went wrong yet.', null=True),
        ),
        migrations.AlterField(
            model_name='scheduledact',
            name='outcome',
            field=models.CharField(blank=True, help_text='Why it was refused, or has not been done yet.', max_length=500),
        ),
        migrations.AddConstraint(
            model_name='scheduledact',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('attempts', 0), ('retry_at__isnull', True)), models.Q(('attempts__gt', 0), ('retry_at__isnull', False)), _connector='OR'), name='scheduled_tried_again'),
        ),
    ]
