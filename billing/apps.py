"""Configuration of the billing app."""

from importlib import import_module

from django.apps import AppConfig

from core import personal_data


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        """Answer for billing's part of a person's data, and react to what happens to accounts."""
        import_module("billing.handlers")
        personal_data.register(import_module("billing.personal_data").CONTRIBUTOR)
