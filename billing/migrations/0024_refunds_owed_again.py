from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0023_tell_countries_of_invoices"),
    ]

    operations = [
        migrations.AddField(
            model_name='refund',
            name='owed_again',
            field=models.BooleanField(db_default=False, default=False, help_text='The invoice stays as it is: the next one charges this again.'),
        ),
        AddConstraintNotValid(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('owed_again', False), models.Q(('attempt__isnull', False), ('tax', 0)), _connector='OR'), name='refund_owed_again_is_of_a_card'),
        ),
    ]
