from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0040_validate_quotes_within_trials'),
    ]

    operations = [
        migrations.AddField(
            model_name='refund',
            name='forgiven',
            field=models.BigIntegerField(db_default=0, default=0, help_text='The part that was a debt, which no invoice charges any more.'),
        ),
        AddConstraintNotValid(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('forgiven', 0), models.Q(('attempt', None), ('forgiven__gt', 0), ('forgiven__lte', models.F('amount'))), _connector='OR'), name='refund_forgiven_is_a_part'),
        ),
    ]
