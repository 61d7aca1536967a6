"""Saved cards."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.models import PaymentMethod
from core.api.serializers import InputSerializer


class CardSetupSerializer(serializers.Serializer[Any]):
    """What the customer's client needs to confirm a card at Stripe."""

    setup_intent = serializers.CharField()
    client_secret = serializers.CharField()
    publishable_key = serializers.CharField()
    api_base = serializers.CharField(help_text="Where to confirm: Stripe, or its stand-in on a local platform.")


class RegisterCardSerializer(InputSerializer):
    """A SetupIntent that the customer has confirmed."""

    setup_intent = serializers.RegexField(r"^seti_[A-Za-z0-9_]{1,240}$")


class PaymentMethodSerializer(serializers.ModelSerializer[PaymentMethod]):
    """A saved card, as much of it as may be shown."""

    class Meta:
        model = PaymentMethod
        fields = [
            "id",
            "brand",
            "last4",
            "exp_month",
            "exp_year",
            "wallet",
            "country",
            "is_default",
            "is_backup",
            "created_at",
        ]
