"""Configuration of the catalog app."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from core import labels, personal_data


class CatalogConfig(AppConfig):
    name = "catalog"
    verbose_name = _("Catalogue")

    def ready(self) -> None:
        """Answer for the catalogue's part of a person's data, and call things what staff call them."""
        personal_data.register(import_module("catalog.personal_data").CONTRIBUTOR)
        named = import_module("catalog.labels")
        labels.name_fields("catalog", models=named.MODELS, fields=named.FIELDS)
