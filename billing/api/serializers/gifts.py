"""Gifts and credit."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.api.serializers.subscriptions import PaymentSerializer
from billing.models import CreditGrant, Gift
from billing.services import gift_codes
from core.api.serializers import InputSerializer


class GiftWantedSerializer(InputSerializer):
    """A gift to buy. Without `recipient_email` the buyer prints it."""

    amount = serializers.IntegerField(min_value=1, max_value=2**53 - 1, help_text="Minor units of the currency.")
    currency = serializers.RegexField(r"^[A-Z]{3}$", help_text="ISO 4217.")
    language = serializers.ChoiceField(choices=["en", "de"], default="en", help_text="Of the mail to the receiver.")
    deliver_at = serializers.DateTimeField(default=None, allow_null=True, help_text="When to mail it; empty: now.")
    sender_name = serializers.CharField(default="", allow_blank=True, max_length=100)
    recipient_name = serializers.CharField(default="", allow_blank=True, max_length=100)
    recipient_email = serializers.EmailField(default="", allow_blank=True, max_length=254)
    message = serializers.CharField(default="", allow_blank=True, max_length=500)


class GiftSerializer(serializers.ModelSerializer[Gift]):
    """A gift that the account has bought. Its code is in the receiver's mail and on the page at `print_url`."""

    state = serializers.ChoiceField(choices=[str(state) for state in Gift.State])
    print_url = serializers.SerializerMethodField(help_text="Where it is shown and printed; empty until it is paid.")

    class Meta:
        model = Gift
        fields = [
            "id",
            "state",
            "amount",
            "currency",
            "language",
            "sender_name",
            "recipient_name",
            "recipient_email",
            "message",
            "deliver_at",
            "delivered_at",
            "expires_on",
            "redeemed_at",
            "print_url",
            "created_at",
        ]

    def get_print_url(self, gift: Gift) -> str:
        return gift_codes.card_url(gift) if gift.state == Gift.State.PAID else ""


class GiftBoughtSerializer(serializers.Serializer[Any]):
    """A gift just bought. It can be redeemed when the payment has succeeded."""

    gift = GiftSerializer()
    payment = PaymentSerializer()


class RedeemSerializer(InputSerializer):
    """A gift's code, as people write it."""

    code = serializers.CharField(max_length=60)


class CreditGrantSerializer(serializers.ModelSerializer[CreditGrant]):
    """An amount given to the account. `remaining` pays the next invoices; negative, it is added to the next one."""

    kind = serializers.ChoiceField(choices=[str(kind) for kind in CreditGrant.Kind])

    class Meta:
        model = CreditGrant
        fields = ["id", "kind", "currency", "amount", "remaining", "created_at"]


class BalanceSerializer(serializers.Serializer[Any]):
    """What is left of the credit in one currency, in minor units."""

    currency = serializers.CharField()
    remaining = serializers.IntegerField()
