"""Endpoints of gifts and of credit."""

from __future__ import annotations

from typing import Any, ClassVar, cast
from uuid import UUID

from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from billing import selectors, stripe_gateway
from billing.api import serializers
from billing.models import CreditGrant, Gift
from billing.services import gifts, subscriptions
from core.api.idempotency import IdempotentRequest, idempotent
from core.api.problems import raises
from core.clock import now
from core.geo import viewer_country


def _account(request: Request) -> User:
    return cast("User", request.user)


class GiftsView(generics.ListAPIView[Gift]):
    """Gifts that the account buys."""

    serializer_class = serializers.GiftSerializer
    throttle_scope = "payments"
    ordering: ClassVar[Any] = "-id"

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Gift.objects.none()
        return selectors.gifts_of(account_id=_account(self.request).pk)

    @extend_schema(operation_id="gifts_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the gifts that you have bought, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="gifts_create",
        request=serializers.GiftWantedSerializer,
        responses={201: serializers.GiftBoughtSerializer},
    )
    @raises(gifts.GiftAmountNotOffered, subscriptions.PaymentMethodRequired, subscriptions.PaymentFailed)
    @idempotent(secret=True)
    def post(self, request: IdempotentRequest) -> Response:
        """Buy a gift with the default card. It is mailed on its day, or printed from `print_url`."""
        wanted = serializers.GiftWantedSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = _account(request)
        bought = gifts.buy(
            account_id=account.pk,
            wanted=gifts.Wanted(**wanted.validated_data),
            country=account.country or viewer_country(request).code,
            request_key=request.idempotency,
            gateway=stripe_gateway.connect(),
            now=now(),
        )
        payment = {
            "status": bought.payment,
            "client_secret": bought.client_secret,
            "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
            "api_base": stripe_gateway.api_base(),
        }
        answer = serializers.GiftBoughtSerializer({"gift": bought.gift, "payment": payment})
        return Response(answer.data, status.HTTP_201_CREATED)


class GiftView(APIView):
    """One gift."""

    @extend_schema(operation_id="gifts_retrieve", responses=serializers.GiftSerializer)
    def get(self, request: Request, gift_id: UUID) -> Response:
        """Answer a gift that you have bought."""
        found = selectors.gifts_of(account_id=_account(request).pk).filter(pk=gift_id).first()
        if found is None:
            raise Http404
        return Response(serializers.GiftSerializer(found).data)


class RefundGiftView(APIView):
    """Giving a gift back."""

    throttle_scope = "payments"

    @extend_schema(operation_id="gifts_refund", request=None, responses=serializers.GiftSerializer)
    @raises(gifts.GiftNotFound, gifts.GiftNotRefundable)
    @idempotent
    def post(self, request: IdempotentRequest, gift_id: UUID) -> Response:
        """Give a gift back that nobody has redeemed, within 14 days; the money returns to the card that paid it."""
        account = _account(request)
        gifts.give_back(
            gift_id=gift_id,
            account_id=account.pk,
            by=f"account:{account.pk}",
            request_key=request.idempotency,
            now=now(),
        )
        found = selectors.gifts_of(account_id=account.pk).get(pk=gift_id)
        return Response(serializers.GiftSerializer(found).data)


class RedeemGiftView(APIView):
    """Redeeming."""

    throttle_scope = "gift_codes"

    @extend_schema(
        operation_id="gifts_redeem",
        request=serializers.RedeemSerializer,
        responses={201: serializers.CreditGrantSerializer},
    )
    @raises(gifts.GiftNotValid, gifts.GiftOfAnotherCurrency, gifts.TooManyWrongCodes)
    @idempotent
    def post(self, request: IdempotentRequest) -> Response:
        """Turn a gift into credit, which pays your next invoices."""
        wanted = serializers.RedeemSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = gifts.redeem(
            account_id=_account(request).pk,
            code=wanted.validated_data["code"],
            request_key=request.idempotency,
            now=now(),
        )
        return Response(serializers.CreditGrantSerializer(given).data, status.HTTP_201_CREATED)


class CreditView(generics.ListAPIView[CreditGrant]):
    """Credit."""

    serializer_class = serializers.CreditGrantSerializer
    ordering: ClassVar[Any] = "-id"

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return CreditGrant.objects.none()
        return selectors.credit_of(account_id=_account(self.request).pk)

    @extend_schema(operation_id="credit_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List what you were given and what is left of it, newest first."""
        return super().get(request, *args, **kwargs)


class BalanceView(APIView):
    """What is left of the credit."""

    @extend_schema(operation_id="credit_balance", responses=serializers.BalanceSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Answer what is left, by currency; it pays your next invoices before your card does."""
        found = selectors.balances_of(account_id=_account(request).pk)
        return Response(serializers.BalanceSerializer(found, many=True).data)
