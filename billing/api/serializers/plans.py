"""Plans, their prices and what they permit."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing import rules
from billing.models import Plan, Price
from core import money


class PriceSerializer(serializers.ModelSerializer[Price]):
    """A price as offered."""

    amount = serializers.IntegerField(help_text="Minor units of the currency for one interval.")
    currency_exponent = serializers.SerializerMethodField(help_text="Digits after the point: USD 2, JPY 0.")

    class Meta:
        model = Price
        fields = [
            "id",
            "amount",
            "currency",
            "currency_exponent",
            "interval",
            "tax_behavior",
            "trial_days",
            "intro_amount",
            "intro_periods",
        ]

    def get_currency_exponent(self, price: Price) -> int:
        return money.exponent(price.currency)


class PlanFeaturesSerializer(serializers.ModelSerializer[Plan]):
    """What a plan permits."""

    class Meta:
        model = Plan
        fields = ["max_streams", "max_resolution", "max_devices", "download_devices", "with_ads"]


class PlanSerializer(serializers.ModelSerializer[Plan]):
    """A plan by name."""

    features = PlanFeaturesSerializer(source="*")

    class Meta:
        model = Plan
        fields = ["code", "name", "tier", "features"]


class OfferSerializer(serializers.Serializer[Any]):
    """A plan with what it costs here."""

    code = serializers.CharField(source="plan.code")
    name = serializers.CharField(source="plan.name")
    tier = serializers.IntegerField(source="plan.tier")
    features = PlanFeaturesSerializer(source="plan")
    prices = PriceSerializer(many=True)


class PlansSerializer(serializers.Serializer[Any]):
    """The plans on sale in a country."""

    country = serializers.CharField()
    plans = OfferSerializer(many=True)


class EntitlementSerializer(serializers.Serializer[Any]):
    """What the account may do now; ask again at `valid_until` at the latest."""

    entitled = serializers.BooleanField()
    access = serializers.ChoiceField(choices=[str(access) for access in rules.Access])
    plan = serializers.CharField(source="plan.code", allow_null=True, default=None)
    features = PlanFeaturesSerializer(source="plan", allow_null=True)
    valid_until = serializers.DateTimeField(allow_null=True)
