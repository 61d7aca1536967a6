from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0042_validate_debts_forgiven_by_refunds'),
    ]

    operations = [
        migrations.AddField(
            model_name='creditnote',
            name='voided_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
