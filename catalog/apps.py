"""Configuration of the catalog app."""

from importlib import import_module

from django.apps import AppConfig

from core import personal_data


class CatalogConfig(AppConfig):
    name = "catalog"
    verbose_name = "Catalogue"

    def ready(self) -> None:
        """Answer for the catalogue's part of a person's data."""
        personal_data.register(import_module("catalog.personal_data").CONTRIBUTOR)
