"""Configuration of the accounts app."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from core import labels, personal_data


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Register what others look up: sign-in in the API's description, what it tells us, our part of personal data.

        And call things what staff call them.
        """
        import_module("accounts.api.schema")
        import_module("accounts.api.sign_ins").listen()
        import_module("accounts.api.audited").listen()
        personal_data.register(import_module("accounts.personal_data").CONTRIBUTOR)
        named = import_module("accounts.labels")
        labels.name_fields("accounts", models=named.MODELS, fields=named.FIELDS)
