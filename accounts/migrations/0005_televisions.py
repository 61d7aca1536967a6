import core.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_audit'),
    ]

    operations = [
        migrations.CreateModel(
            name='CodeTries',
            fields=[
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='code_tries', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('wrong', models.PositiveSmallIntegerField()),
                ('since', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='DeviceAuthorization',
            fields=[
                ('id', models.UUIDField(default=core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('device_hash', models.CharField(max_length=64, unique=True)),
                ('user_hash', models.CharField(max_length=64)),
                ('client_hash', models.CharField(max_length=64)),
                ('name', models.CharField(max_length=40)),
                ('place', models.CharField(blank=True, max_length=120)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('approved', 'Approved'), ('denied', 'Denied'), ('redeemed', 'Redeemed')], default='pending', max_length=10)),
                ('interval_seconds', models.PositiveSmallIntegerField()),
                ('polled_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('account', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='device_authorizations', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['expires_at'], name='device_authorization_expires')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'pending')), fields=('user_hash',), name='device_authorization_code_unique'), models.CheckConstraint(condition=models.Q(('account__isnull', False), ('state__in', ['pending', 'denied']), _connector='OR'), name='device_authorization_has_its_account')],
            },
        ),
    ]
