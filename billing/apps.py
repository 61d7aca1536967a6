"""Configuration of the billing app."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        """Answer for billing's part of a person's data."""
        from billing.personal_data import CONTRIBUTOR
        from core import personal_data

        personal_data.register(CONTRIBUTOR)
