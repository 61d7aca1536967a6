"""Endpoints of a subscription's life: what it would cost, trials, pauses, coming back, withdrawing."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing import stripe_gateway
from billing.api import serializers
from billing.api.serializers import SubscribedSerializer, SubscriptionSerializer
from billing.api.views import account_of, agreement, declared_by, for_clients, place_of, seen_of
from billing.selectors import consumers
from billing.services import consents, coupons, forecasts, pauses, returning, subscriptions, trials, withdrawals
from billing.services.debts import DebtInAnotherCurrency
from billing.services.subscriptions import Subscribed
from billing.services.whereabouts import CountryUncertain
from core.api.idempotency import IdempotentRequest, idempotent
from core.api.problems import raises
from core.clock import now


def _paid(bought: Subscribed) -> Response:
    payment = {"status": bought.payment, "client_secret": bought.client_secret, **for_clients()}
    return Response(SubscribedSerializer({"subscription": bought.subscription, "payment": payment}).data)


class LegalDocumentsView(APIView):
    """What a buyer agrees to."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="legal_documents_list", responses=serializers.LegalDocumentSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the documents of your country; buying sends the ids of those that the customer ticked."""
        found = consumers.documents_for(country=place_of(request).country)
        return Response(serializers.LegalDocumentSerializer(found, many=True).data)


class PurchaseQuoteView(APIView):
    """What buying would cost."""

    @extend_schema(
        operation_id="subscriptions_quote",
        request=serializers.PurchaseQuestionSerializer,
        responses=serializers.PurchaseSerializer,
    )
    @raises(subscriptions.PriceNotOffered, DebtInAnotherCurrency, coupons.CouponNotValid)
    def post(self, request: Request) -> Response:
        """Say what buying a price costs you now and later, with tax, coupon and introduction. Nothing is stored."""
        wanted = serializers.PurchaseQuestionSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        told = forecasts.purchase(
            account_id=account_of(request).pk,
            price_id=wanted.validated_data["price"],
            place=place_of(request),
            billing_tz=wanted.validated_data["time_zone"],
            coupon=wanted.validated_data["coupon"],
            now=now(),
        )
        return Response(serializers.PurchaseSerializer(told).data)


class TrialView(APIView):
    """Trying."""

    throttle_scope = "payments"

    @extend_schema(
        operation_id="subscriptions_trial",
        request=serializers.StartTrialSerializer,
        responses={201: SubscriptionSerializer},
    )
    @raises(
        subscriptions.AlreadySubscribed,
        CountryUncertain,
        subscriptions.PriceNotOffered,
        DebtInAnotherCurrency,
        trials.TrialNotOffered,
        trials.TrialUsed,
        coupons.CouponNotValid,
        consents.ConsentRequired,
        subscriptions.PaymentMethodRequired,
    )
    @idempotent
    def post(self, request: IdempotentRequest) -> Response:
        """Begin a trial. Nothing is charged before it ends, and nothing at all if it is cancelled before."""
        wanted = serializers.StartTrialSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = account_of(request)
        begun = trials.start(
            account_id=account.pk,
            price_id=wanted.validated_data["price"],
            country=declared_by(request),
            seen=seen_of(request),
            billing_tz=wanted.validated_data["time_zone"],
            request_key=request.idempotency,
            now=now(),
            by=f"account:{account.pk}",
            coupon=wanted.validated_data["coupon"],
            agreement=agreement(request, wanted.validated_data["documents"]),
        )
        return Response(SubscriptionSerializer(begun).data, status.HTTP_201_CREATED)


class PauseView(APIView):
    """Pausing, and taking it back."""

    @extend_schema(
        operation_id="subscription_pause", request=serializers.PauseSerializer, responses=SubscriptionSerializer
    )
    @raises(subscriptions.NoSubscription, pauses.PauseNotPossible, subscriptions.PaymentUnderWay)
    def post(self, request: Request) -> Response:
        """Pause from the end of what is paid for, for one to three months."""
        wanted = serializers.PauseSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = account_of(request)
        paused = pauses.pause(
            account_id=account.pk, months=wanted.validated_data["months"], now=now(), by=f"account:{account.pk}"
        )
        return Response(SubscriptionSerializer(paused).data)

    @extend_schema(operation_id="subscription_undo_pause", responses=SubscriptionSerializer)
    @raises(subscriptions.NoSubscription, pauses.NotPaused)
    def delete(self, request: Request) -> Response:
        """Take the pause back, before it begins."""
        account = account_of(request)
        kept = pauses.undo(account_id=account.pk, now=now(), by=f"account:{account.pk}")
        return Response(SubscriptionSerializer(kept).data)


class ResumeView(APIView):
    """Ending a pause."""

    throttle_scope = "payments"

    @extend_schema(
        operation_id="subscription_resume", request=serializers.ResumeSerializer, responses=SubscribedSerializer
    )
    @raises(
        subscriptions.NoSubscription,
        pauses.NotPaused,
        subscriptions.UnderReview,
        subscriptions.PaymentUnderWay,
        subscriptions.QuoteChanged,
        subscriptions.PaymentMethodRequired,
        subscriptions.PaymentFailed,
    )
    @idempotent(secret=True)
    def post(self, request: IdempotentRequest) -> Response:
        """End the pause now and charge a period that begins today."""
        wanted = serializers.ResumeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = account_of(request)
        resumed = pauses.resume(
            account_id=account.pk,
            quoted_amount=wanted.validated_data["quoted_amount"],
            quoted_due=wanted.validated_data["quoted_due"],
            request_key=request.idempotency,
            gateway=stripe_gateway.connect(),
            now=now(),
            by=f"account:{account.pk}",
        )
        return _paid(resumed)


class ReactivateView(APIView):
    """Coming back."""

    throttle_scope = "payments"

    @extend_schema(operation_id="subscription_return_offer", responses=serializers.ReturnOfferSerializer)
    @raises(
        subscriptions.NoSubscription,
        subscriptions.AlreadySubscribed,
        subscriptions.PriceNotOffered,
        DebtInAnotherCurrency,
    )
    def get(self, request: Request) -> Response:
        """Say what coming back costs: nothing while what was paid for still runs."""
        told = returning.offer(account_id=account_of(request).pk, place=place_of(request), now=now())
        return Response(serializers.ReturnOfferSerializer(told).data)

    @extend_schema(
        operation_id="subscription_reactivate",
        request=serializers.ReactivateSerializer,
        responses=SubscribedSerializer,
    )
    @raises(
        subscriptions.NoSubscription,
        subscriptions.AlreadySubscribed,
        CountryUncertain,
        subscriptions.PriceNotOffered,
        DebtInAnotherCurrency,
        subscriptions.QuoteChanged,
        subscriptions.PaymentUnderWay,
        subscriptions.PaymentMethodRequired,
        subscriptions.PaymentFailed,
        subscriptions.NotCanceled,
        consents.ConsentRequired,
        coupons.CouponNotValid,
        pauses.NotPaused,
        subscriptions.UnderReview,
    )
    @idempotent(secret=True)
    def post(self, request: IdempotentRequest) -> Response:
        """Come back: take a cancellation back, end a pause, or subscribe again to the plan you had."""
        wanted = serializers.ReactivateSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = account_of(request)
        back = returning.reactivate(
            account_id=account.pk,
            quoted_amount=wanted.validated_data["quoted_amount"],
            quoted_due=wanted.validated_data["quoted_due"],
            country=declared_by(request),
            seen=seen_of(request),
            request_key=request.idempotency,
            gateway=stripe_gateway.connect(),
            now=now(),
            by=f"account:{account.pk}",
            agreement=agreement(request, wanted.validated_data["documents"]),
        )
        return _paid(back)


class WithdrawView(APIView):
    """Withdrawing from the contract."""

    throttle_scope = "payments"

    @extend_schema(operation_id="subscription_withdraw", request=None, responses=serializers.WithdrawalSerializer)
    @raises(subscriptions.NoSubscription, withdrawals.WithdrawalNotPossible, subscriptions.PaymentUnderWay)
    @idempotent
    def post(self, request: IdempotentRequest) -> Response:
        """Withdraw while the law of your country allows it: it ends now, and what you paid is given back."""
        account = account_of(request)
        made = withdrawals.withdraw(
            account_id=account.pk, request_key=request.idempotency, now=now(), by=f"account:{account.pk}"
        )
        return Response(serializers.WithdrawalSerializer(made).data)
