"""Subscriptions: bought, shown and changed."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing import rules
from billing.api.serializers.plans import PlanSerializer, PriceSerializer
from billing.models import Price, Quote, Subscription
from billing.selectors import consumers, words
from billing.services import forecasts
from core import clock
from core.api.serializers import InputSerializer


class TimeZoneSerializer(InputSerializer):
    """Whose calendar to follow."""

    time_zone = serializers.CharField(
        default="UTC", max_length=64, help_text="IANA zone whose calendar the billing follows, such as Europe/Berlin."
    )

    def validate_time_zone(self, name: str) -> str:
        if name not in available_timezones():
            raise serializers.ValidationError("This is no IANA time zone, such as Europe/Berlin.", "unknown_time_zone")
        return name


class AgreementSerializer(InputSerializer):
    """What the buyer has ticked."""

    documents = serializers.ListField(
        child=serializers.UUIDField(),
        default=list,
        max_length=20,
        help_text="Ids of the documents from GET legal-documents that the customer agreed to.",
    )


class QuotedSerializer(InputSerializer):
    """What the customer was shown. Anything else is refused with `quote_changed`, which says what it costs now."""

    quoted_amount = serializers.IntegerField(
        min_value=0,
        max_value=2**53 - 1,
        help_text="The `amount` that was shown: what the period costs in minor units, tax and coupon included.",
    )
    quoted_due = serializers.IntegerField(
        min_value=0,
        max_value=2**53 - 1,
        default=None,
        allow_null=True,
        help_text="The `due` that was shown: what is charged. Left out, it is the amount: no credit, and no debts.",
    )


class TenderSerializer(serializers.Serializer[Any]):
    """How an amount is paid; minor units."""

    credit = serializers.IntegerField(source="tender.credit", help_text="What gifts and credit pay.")
    debts = serializers.IntegerField(
        source="tender.debts", help_text="What is owed from before and charged with it, such as a refund owed again."
    )
    due = serializers.IntegerField(
        source="tender.due",
        help_text="What is charged: the amount with the debts, less the credit. "
        "0 where that is too little to be charged; the next invoice takes it over.",
    )


class SubscribeSerializer(TimeZoneSerializer, AgreementSerializer, QuotedSerializer):
    """What to buy, and what the customer was shown that it costs."""

    price = serializers.UUIDField()
    coupon = serializers.CharField(default="", allow_blank=True, max_length=40)


class NextBillSerializer(TenderSerializer):
    """A charge to come; minor units, as things stand."""

    at = serializers.DateTimeField()
    amount = serializers.IntegerField()
    currency = serializers.CharField()


class SubscriptionSerializer(serializers.ModelSerializer[Subscription]):
    """A subscription and where it stands."""

    plan = PlanSerializer(source="price.plan")
    price = PriceSerializer()
    status = serializers.ChoiceField(choices=[str(status) for status in rules.Status])
    next_price = PriceSerializer(
        source="pending_price", allow_null=True, help_text="What the next period is billed by, where that is another."
    )
    next_bill = serializers.SerializerMethodField(
        help_text="What is charged next and when, tax and coupon included; null where nothing is."
    )
    withdraw_until = serializers.SerializerMethodField(
        help_text="Until when the contract can be withdrawn from; null where it cannot any more."
    )

    class Meta:
        model = Subscription
        fields = [
            "id",
            "status",
            "plan",
            "price",
            "paid_through",
            "next_bill_at",
            "cancel_at",
            "pause_at",
            "resume_at",
            "next_price",
            "next_bill",
            "withdraw_until",
            "country",
            "moves_at",
            "billing_tz",
            "created_at",
            "ended_at",
        ]

    @extend_schema_field(NextBillSerializer(allow_null=True))
    def get_next_bill(self, subscription: Subscription) -> dict[str, Any] | None:
        bill = forecasts.next_bill(subscription, now=clock.now())
        return NextBillSerializer(bill).data if bill else None

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_withdraw_until(self, subscription: Subscription) -> datetime | None:
        until = consumers.withdrawal_ends(subscription, consumers.law_of(subscription.country))
        return until if until and subscription.ended_at is None and until > clock.now() else None


class ChangeSerializer(InputSerializer):
    """The price to change to."""

    price = serializers.UUIDField()


class QuoteLineSerializer(serializers.Serializer[Any]):
    """One amount of a quote; credits are negative."""

    description = serializers.CharField(help_text="In the language of the request.")
    amount = serializers.IntegerField()
    tax = serializers.IntegerField()


class QuoteSerializer(serializers.ModelSerializer[Quote]):
    """What a change costs. Accepting it charges `due`, and nothing else: the total with the debts, less the credit."""

    lines = serializers.SerializerMethodField()
    next_bill = serializers.SerializerMethodField(
        help_text="What is charged next, and when, if it is accepted; null where accepting it charges by itself."
    )

    class Meta:
        model = Quote
        fields = [
            "id",
            "currency",
            "total",
            "credit",
            "debts",
            "due",
            "lines",
            "trial_ends_at",
            "begins_at",
            "next_bill",
            "expires_at",
        ]

    @extend_schema_field(NextBillSerializer(allow_null=True))
    def get_next_bill(self, quote: Quote) -> dict[str, Any] | None:
        bill = forecasts.after(quote, now=clock.now())
        return NextBillSerializer(bill).data if bill else None

    @extend_schema_field(QuoteLineSerializer(many=True))
    def get_lines(self, quote: Quote) -> list[dict[str, Any]]:
        plans = dict(
            Price.objects.filter(pk__in=[line["price"] for line in quote.lines]).values_list("pk", "plan__name")
        )
        return [
            {
                "description": words.described(
                    line["kind"],
                    plans.get(UUID(line["price"]), ""),
                    line["description"],
                    date.fromisoformat(line["service_start"]),
                    date.fromisoformat(line["service_end"]),
                ),
                "amount": line["amount"],
                "tax": line["tax"],
            }
            for line in quote.lines
        ]


class PaymentSerializer(serializers.Serializer[Any]):
    """Where the first payment stands."""

    status = serializers.ChoiceField(choices=["succeeded", "requires_action", "unknown"])
    client_secret = serializers.CharField(
        allow_blank=True, help_text="With requires_action: confirm this PaymentIntent at Stripe."
    )
    publishable_key = serializers.CharField()
    api_base = serializers.CharField()


class SubscribedSerializer(serializers.Serializer[Any]):
    """A subscription just bought. Access begins when the payment has succeeded."""

    subscription = SubscriptionSerializer()
    payment = PaymentSerializer()
