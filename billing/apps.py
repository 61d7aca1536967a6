"""Configuration of the billing app."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from core import labels, personal_data


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = _("Billing")

    def ready(self) -> None:
        """Answer for billing's part of a person's data, react to what happens to accounts, call things what staff call them."""
        import_module("billing.handlers")
        personal_data.register(import_module("billing.personal_data").CONTRIBUTOR)
        named = import_module("billing.labels")
        labels.name_fields("billing", models=named.MODELS, fields=named.FIELDS)
