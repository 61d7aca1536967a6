"""What goes in and out. Amounts are integers in minor units beside their currency."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing import rules
from billing.models import (
    BillingDetails,
    CreditGrant,
    CreditNote,
    Gift,
    Invoice,
    InvoiceLine,
    PaymentMethod,
    Period,
    Plan,
    Price,
    Quote,
    Subscription,
)
from billing.selectors import consumers
from billing.services import forecasts, gift_codes
from core import clock, money
from core.api.serializers import InputSerializer, TextField
from core.geo import is_country


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


class SubscribeSerializer(TimeZoneSerializer, AgreementSerializer):
    """What to buy, and what the customer was shown that it costs."""

    price = serializers.UUIDField()
    quoted_amount = serializers.IntegerField(
        min_value=0,
        max_value=2**53 - 1,
        help_text="What the customer was shown for the first period in minor units, tax and coupon included.",
    )
    coupon = serializers.CharField(default="", allow_blank=True, max_length=40)


class NextBillSerializer(serializers.Serializer[Any]):
    """A charge to come; minor units."""

    at = serializers.DateTimeField()
    amount = serializers.IntegerField()
    currency = serializers.CharField()


class SubscriptionSerializer(serializers.ModelSerializer[Subscription]):
    """A subscription and where it stands."""

    plan = PlanSerializer(source="price.plan")
    price = PriceSerializer()
    status = serializers.ChoiceField(choices=[str(status) for status in rules.Status])
    next_price = PriceSerializer(
        source="pending_price", allow_null=True, help_text="What the next period is billed by, after a downgrade."
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

    description = serializers.CharField()
    amount = serializers.IntegerField()
    tax = serializers.IntegerField()


class QuoteSerializer(serializers.ModelSerializer[Quote]):
    """What an upgrade costs. Accepting it charges `total`, and nothing else."""

    lines = QuoteLineSerializer(many=True)

    class Meta:
        model = Quote
        fields = ["id", "currency", "total", "lines", "expires_at"]


class ReasonSerializer(serializers.Serializer[Any]):
    """One step on the way to an amount, or to its payment."""

    code = serializers.CharField(help_text="What kind of step: list_price, discount, tax, unused_days and so on.")
    text = serializers.CharField(help_text="In the language of the request.")
    amount = serializers.IntegerField(allow_null=True, help_text="Minor units; null where a step moves none.")
    at = serializers.DateTimeField(allow_null=True)


class ExplainedLineSerializer(serializers.Serializer[Any]):
    """A line with the steps that lead to its amount."""

    description = serializers.CharField()
    amount = serializers.IntegerField()
    reasons = ReasonSerializer(many=True)


class ExplanationSerializer(serializers.Serializer[Any]):
    """An invoice that explains itself: the lines sum to the total, and the history says how it was paid."""

    number = serializers.CharField()
    currency = serializers.CharField()
    total = serializers.IntegerField()
    lines = ExplainedLineSerializer(many=True)
    history = ReasonSerializer(many=True)


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


class PeriodSerializer(serializers.ModelSerializer[Period]):
    """A stretch of service: from `start` up to, and without, `end`."""

    class Meta:
        model = Period
        fields = ["start", "end"]


class InvoiceLineSerializer(serializers.ModelSerializer[InvoiceLine]):
    """One amount."""

    class Meta:
        model = InvoiceLine
        fields = ["description", "amount", "discount", "tax", "tax_rate"]


class InvoiceSerializer(serializers.ModelSerializer[Invoice]):
    """An invoice. `total` is the sum of its lines, in minor units."""

    period = PeriodSerializer(allow_null=True)
    lines = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=["open", "paid", "void", "uncollectible"])
    number = serializers.CharField()
    credit_applied = serializers.IntegerField(
        help_text="Minor units of `total` paid from gifts and credit; negative where a change gave credit instead."
    )
    due = serializers.IntegerField(help_text="Minor units of `total` to be charged: what credit has not paid.")

    class Meta:
        model = Invoice
        fields = [
            "id",
            "number",
            "status",
            "currency",
            "total",
            "credit_applied",
            "due",
            "period",
            "lines",
            "finalised_at",
            "paid_at",
        ]

    def get_lines(self, invoice: Invoice) -> list[dict[str, Any]]:
        lines = sorted(invoice.lines.all(), key=lambda line: line.position)
        return [dict(line) for line in InvoiceLineSerializer(lines, many=True).data]


class EntitlementSerializer(serializers.Serializer[Any]):
    """What the account may do now; ask again at `valid_until` at the latest."""

    entitled = serializers.BooleanField()
    access = serializers.ChoiceField(choices=[str(access) for access in rules.Access])
    plan = serializers.CharField(source="plan.code", allow_null=True, default=None)
    features = PlanFeaturesSerializer(source="plan", allow_null=True)
    valid_until = serializers.DateTimeField(allow_null=True)


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


class CreditNoteSerializer(serializers.ModelSerializer[CreditNote]):
    """Money of an invoice that goes back, in minor units."""

    invoice = serializers.UUIDField(source="invoice_id")
    currency = serializers.CharField(source="refund.currency")
    total = serializers.SerializerMethodField(help_text="Tax included.")

    class Meta:
        model = CreditNote
        fields = ["id", "number", "invoice", "currency", "net", "tax", "total", "issued_at"]

    def get_total(self, note: CreditNote) -> int:
        return note.net + note.tax


class BillingDetailsSerializer(serializers.ModelSerializer[BillingDetails]):
    """Whom invoices are made out to; empty while it is the e-mail address alone."""

    class Meta:
        model = BillingDetails
        fields = ["name", "address", "postal_code", "country", "tax_id"]


class SetBillingDetailsSerializer(InputSerializer):
    """Whom invoices shall be made out to from now on."""

    name = TextField(max_length=200)
    address = TextField(default="", allow_blank=True, max_length=500, help_text="In lines, at most eight.")
    postal_code = TextField(default="", allow_blank=True, max_length=12)
    country = serializers.CharField(
        default="", allow_blank=True, max_length=2, help_text="ISO 3166-1 alpha-2; empty is the account's."
    )
    tax_id = TextField(default="", allow_blank=True, max_length=30)

    def validate_country(self, code: str) -> str:
        if code and not is_country(code):
            raise serializers.ValidationError("Give a country as its ISO 3166-1 code, such as DE.", "unknown_country")
        return code

    def validate_address(self, address: str) -> str:
        lines = [line.strip() for line in address.splitlines() if line.strip()]
        if len(lines) > 8:
            raise serializers.ValidationError("An address has at most eight lines.", "too_many_lines")
        return "\n".join(lines)
