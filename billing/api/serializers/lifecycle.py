"""Where a subscription begins, rests, comes back and ends."""

from __future__ import annotations

from rest_framework import serializers

from billing import rules
from billing.api.serializers.plans import PriceSerializer
from billing.api.serializers.subscriptions import (
    AgreementSerializer,
    QuotedSerializer,
    TenderSerializer,
    TimeZoneSerializer,
)
from billing.models import Cancellation, LegalDocument, Withdrawal
from core.api.serializers import InputSerializer, TextField


class LegalDocumentSerializer(serializers.ModelSerializer[LegalDocument]):
    """What a buyer agrees to, in its present version."""

    kind = serializers.ChoiceField(choices=[str(kind) for kind in LegalDocument.Kind])
    mandatory = serializers.SerializerMethodField(help_text="Whether nothing is sold without it.")

    class Meta:
        model = LegalDocument
        fields = ["id", "kind", "country", "version", "text", "url", "mandatory", "published_at"]

    def get_mandatory(self, document: LegalDocument) -> bool:
        return document.kind == LegalDocument.Kind.TERMS


class PurchaseQuestionSerializer(TimeZoneSerializer):
    """What somebody thinks of buying."""

    price = serializers.UUIDField()
    coupon = TextField(default="", allow_blank=True, max_length=40)


class PurchaseSerializer(TenderSerializer):
    """What it would cost. Amounts in minor units of the price's currency, tax included."""

    price = PriceSerializer()
    amount = serializers.IntegerField(
        source="first.total", help_text="The `quoted_amount` of buying it now; `due` is its `quoted_due`."
    )
    tax = serializers.IntegerField(source="first.tax")
    discount = serializers.IntegerField(source="first.discount", help_text="What the coupon takes off, before tax.")
    start = serializers.DateTimeField()
    end = serializers.DateTimeField(help_text="When the next period would be charged.")
    regular_amount = serializers.IntegerField(help_text="A period after all introductions and coupons.")
    introductory_periods = serializers.IntegerField(help_text="How many periods are cheaper from now on.")
    trial_days = serializers.IntegerField(help_text="How long a trial would last; 0 where there is none for you.")


class StartTrialSerializer(TimeZoneSerializer, AgreementSerializer):
    """What to try."""

    price = serializers.UUIDField()
    coupon = TextField(default="", allow_blank=True, max_length=40)


class PauseSerializer(InputSerializer):
    """How long to pause."""

    months = serializers.IntegerField(min_value=min(rules.PAUSE_MONTHS), max_value=max(rules.PAUSE_MONTHS))


class ResumeSerializer(QuotedSerializer):
    """What the customer was shown that resuming costs, by GET subscription/reactivate."""


class ReactivateSerializer(AgreementSerializer, QuotedSerializer):
    """What the customer was shown that coming back costs, by GET subscription/reactivate."""


class ReturnOfferSerializer(TenderSerializer):
    """What coming back costs."""

    price = PriceSerializer()
    amount = serializers.IntegerField(help_text="Minor units, tax included; 0 while what was paid for still runs.")


class CancelSerializer(InputSerializer):
    """Why, for those who choose to say so."""

    reason = serializers.ChoiceField(choices=Cancellation.Reason.choices, default="", allow_blank=True)
    comment = TextField(default="", allow_blank=True, max_length=500)


class WithdrawalSerializer(serializers.ModelSerializer[Withdrawal]):
    """A withdrawal from the contract, and what is given back; minor units, tax included."""

    class Meta:
        model = Withdrawal
        fields = ["at", "pro_rata", "currency", "refunded", "kept"]
