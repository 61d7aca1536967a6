from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models.expressions import CombinedExpression


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0024_refunds_owed_again"),
    ]

    operations = [
        migrations.AlterField(
            model_name='creditgrant',
            name='kind',
            field=models.CharField(choices=[('gift', 'gift redeemed'), ('change', 'change of plan'), ('goodwill', 'goodwill'), ('overpaid', 'charged for an invoice that was not owed any more'), ('carried', 'too little to charge, carried to the next invoice'), ('owed', 'given back to a card, owed again')], max_length=8),
        ),
        migrations.RemoveConstraint(
            model_name='creditgrant',
            name='credit_grant_remaining_within',
        ),
        AddConstraintNotValid(
            model_name='creditgrant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('amount__lt', 0), ('kind', 'carried'), ('remaining__gte', models.F('amount')), ('remaining__lte', CombinedExpression(models.F('amount'), '*', models.Value(-1)))), models.Q(('amount__lt', 0), ('kind', 'owed'), ('remaining__gte', models.F('amount')), ('remaining__lte', CombinedExpression(models.F('amount'), '*', models.Value(-2)))), models.Q(models.Q(('kind__in', ['carried', 'owed']), _negated=True), ('amount__gt', 0), ('remaining__gte', 0), ('remaining__lte', models.F('amount'))), _connector='OR'), name='credit_grant_remaining_within'),
        ),
    ]
