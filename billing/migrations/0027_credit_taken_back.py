from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0026_validate_what_is_owed_again"),
    ]

    operations = [
        migrations.AlterField(
            model_name='invoice',
            name='kind',
            field=models.CharField(choices=[('period', 'period'), ('change', 'change of plan'), ('one_off', 'one-off'), ('debit', 'credit taken back')], max_length=7),
        ),
        migrations.AlterField(
            model_name='invoiceline',
            name='kind',
            field=models.CharField(choices=[('plan', 'plan'), ('unused', 'credit for what is unused'), ('gift', 'gift'), ('taken_back', 'credit taken back')], max_length=10),
        ),
    ]
