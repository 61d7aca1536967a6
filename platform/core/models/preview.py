"""No table: where the permission to see the service as another country's viewers lives."""

from __future__ import annotations

from django.db import models


class CountryPreview(models.Model):
    """Carries `core.preview_country`, which core.geo asks for; nothing is stored."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [("preview_country", "Can see the service as viewers in another country do")]
