import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    # Apart from the first, on which the sessions' own table rests.
    dependencies = [
        ('accounts', '0001_initial'),
        ('usersessions', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='SessionProfile',
            fields=[
                ('session', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='entered', serialize=False, to='usersessions.usersession')),
                ('entered_at', models.DateTimeField()),
                ('profile', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to='accounts.profile')),
            ],
        ),
    ]
