from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0038_validate_answers_of_refunds'),
    ]

    operations = [
        migrations.AddField(
            model_name='quote',
            name='begins_at',
            field=models.DateTimeField(blank=True, help_text='When the features of the plan begin, where that is not at once.', null=True),
        ),
        migrations.AddField(
            model_name='quote',
            name='trial_ends_at',
            field=models.DateTimeField(blank=True, help_text='When the trial ends within which it was made: nothing is charged before.', null=True),
        ),
        AddConstraintNotValid(
            model_name='quote',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('begins_at', None), ('trial_ends_at', None)), models.Q(models.Q(('begins_at', None), ('begins_at', models.F('trial_ends_at')), _connector='OR'), ('due', 0), ('total', 0), ('trial_ends_at__isnull', False)), _connector='OR'), name='quote_within_trial_charges_nothing'),
        ),
    ]
