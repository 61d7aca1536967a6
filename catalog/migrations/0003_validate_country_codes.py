"""Mends the codes that were typed in lower case, then holds old rows to what new ones are held to.

By itself, so that the tables are not locked while they are read.
"""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

_CODES = r"^\{([A-Z]{2}(,[A-Z]{2})*)?\}$"
_MEND = f"""
UPDATE catalog_availabilitywindow SET territories = upper(territories::text)::varchar(2)[]
WHERE territories::text !~ '{_CODES}';
UPDATE catalog_provider SET default_territories = upper(default_territories::text)::varchar(2)[]
WHERE default_territories::text !~ '{_CODES}';
UPDATE catalog_contentrating SET country = upper(country) WHERE country !~ '^[A-Z]{{2}}$';
"""


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0002_country_codes'),
    ]

    operations = [
        migrations.RunSQL(_MEND, migrations.RunSQL.noop),
        ValidateConstraint('availabilitywindow', 'window_territories_are_codes'),
        ValidateConstraint('contentrating', 'content_rating_country_is_code'),
        ValidateConstraint('provider', 'provider_territories_are_codes'),
    ]
