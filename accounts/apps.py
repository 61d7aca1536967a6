"""Configuration of the accounts app."""

from importlib import import_module

from django.apps import AppConfig

from core import personal_data


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Register what others look up: sign-in in the API's description, our part of personal data."""
        import_module("accounts.api.schema")
        personal_data.register(import_module("accounts.personal_data").CONTRIBUTOR)
