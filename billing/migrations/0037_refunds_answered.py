from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models.deletion import PROTECT


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0036_index_of_payments_left_lying'),
    ]

    operations = [
        migrations.AddField(
            model_name='refund',
            name='answer',
            field=models.CharField(blank=True, choices=[('retried', 'tried again'), ('paid_otherwise', 'paid in another way'), ('dismissed', 'not owed to the customer')], db_default='', default='', max_length=14),
        ),
        migrations.AddField(
            model_name='refund',
            name='answer_reason',
            field=models.CharField(blank=True, db_default='', default='', help_text='How it was paid, or why it is not owed.', max_length=200),
        ),
        migrations.AddField(
            model_name='refund',
            name='answered_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='refund',
            name='answered_by',
            field=models.CharField(blank=True, db_default='', default='', max_length=100),
        ),
        migrations.AddField(
            model_name='refund',
            name='retry',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=PROTECT, related_name='+', to='billing.refund'),
        ),
        AddConstraintNotValid(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('answer', ''), ('answer_reason', ''), ('answered_at', None), ('answered_by', ''), ('retry', None)), models.Q(('answered_at__isnull', False), ('state', 'failed'), models.Q(('answered_by', ''), _negated=True), models.Q(models.Q(('answer', 'retried'), ('retry__isnull', False)), models.Q(('answer__in', ['paid_otherwise', 'dismissed']), ('retry', None), models.Q(('answer_reason', ''), _negated=True)), _connector='OR')), _connector='OR'), name='refund_answer_is_somebodys'),
        ),
    ]
