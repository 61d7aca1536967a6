"""Configuration of the accounts app."""

from importlib import import_module

from django.apps import AppConfig

from core import personal_data


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Register what others look up: sign-in in the API's description, what it tells us, our part of personal data."""
        import_module("accounts.api.schema")
        import_module("accounts.api.sign_ins").listen()
        import_module("accounts.api.audited").listen()
        personal_data.register(import_module("accounts.personal_data").CONTRIBUTOR)
