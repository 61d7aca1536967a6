"""Configuration of the accounts app."""

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Register what others look up: our sign-in in the API's description."""
        import_module("accounts.api.schema")
