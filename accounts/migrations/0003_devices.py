import core.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


# Sign-ins from before are on the list too.
LIST_SIGN_INS = """
INSERT INTO accounts_device (id, account_id, session_id, kind, name, place, created_at, last_seen_at)
SELECT gen_random_uuid(), user_id, id, 'browser', '', '', created_at, last_seen_at FROM usersessions_usersession
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_sessionprofile'),
        ('usersessions', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Device',
            fields=[
                ('id', models.UUIDField(default=core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('browser', 'Browser'), ('phone', 'Phone'), ('tablet', 'Tablet'), ('television', 'Television'), ('other', 'Other')], max_length=12)),
                ('name', models.CharField(blank=True, max_length=40)),
                ('client_hash', models.CharField(editable=False, max_length=64, null=True)),
                ('place', models.CharField(blank=True, max_length=120)),
                ('created_at', models.DateTimeField(editable=False)),
                ('last_seen_at', models.DateTimeField(editable=False)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='devices', to=settings.AUTH_USER_MODEL)),
                ('session', models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='device', to='usersessions.usersession')),
            ],
        ),
        migrations.CreateModel(
            name='DeviceRegistration',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('browser', 'Browser'), ('phone', 'Phone'), ('tablet', 'Tablet'), ('television', 'Television'), ('other', 'Other')], max_length=12)),
                ('is_swap', models.BooleanField()),
                ('registered_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='device_registrations', to=settings.AUTH_USER_MODEL)),
                ('device', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='registrations', to='accounts.device')),
            ],
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.UniqueConstraint(fields=('account', 'client_hash'), name='device_client_unique_in_account'),
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ('browser', 'phone', 'tablet', 'television', 'other'))), name='device_kind_is_known'),
        ),
        migrations.AddConstraint(
            model_name='deviceregistration',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('device',), name='device_registered_once'),
        ),
        migrations.AddConstraint(
            model_name='deviceregistration',
            constraint=models.CheckConstraint(condition=models.Q(('device__isnull', False), ('ended_at__isnull', False), _connector='OR'), name='device_registration_has_a_device'),
        ),
        migrations.AddConstraint(
            model_name='deviceregistration',
            constraint=models.CheckConstraint(condition=models.Q(('ended_at__isnull', True), ('ended_at__gte', models.F('registered_at')), _connector='OR'), name='device_registration_ends_after_it_begins'),
        ),
        migrations.RunSQL(LIST_SIGN_INS, migrations.RunSQL.noop),
    ]
