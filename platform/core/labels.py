"""What staff call models and fields, told to Django when it starts (docs/adr/0054)."""

from __future__ import annotations

from collections.abc import Mapping

from django.apps import apps
from django.utils.functional import Promise


def name_fields(app: str, *, models: Mapping[str, tuple[Promise, Promise]], fields: Mapping[str, Promise]) -> None:
    """Let the admin speak of an app's models, in the singular and plural, and of their fields by these names."""
    for model_name, (one, several) in models.items():
        model = apps.get_model(app, model_name)
        model._meta.verbose_name, model._meta.verbose_name_plural = one, several
        for field in model._meta.concrete_fields:
            field.verbose_name = fields.get(field.name, field.verbose_name)
