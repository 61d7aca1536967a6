"""Endpoints of a saved card."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import Reach
from accounts.models import User
from billing import stripe_gateway
from billing.api import serializers
from billing.services import card_care
from core.api.problems import raises
from core.clock import now


def _account(request: Request) -> User:
    return cast("User", request.user)


class CardView(APIView):
    """Removing a card."""

    reach = Reach.SENSITIVE

    @extend_schema(operation_id="payment_methods_destroy", responses={204: None})
    @raises(card_care.CardNotFound, card_care.LastCard, card_care.CardInUse)
    def delete(self, request: Request, card_id: UUID) -> Response:
        """Forget a card; of the default, the one that stands by or the newest takes the place."""
        card_care.remove(account_id=_account(request).pk, card_id=card_id, gateway=stripe_gateway.connect(), now=now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class DefaultCardView(APIView):
    """Choosing the card that is charged."""

    reach = Reach.SENSITIVE

    @extend_schema(
        operation_id="payment_methods_make_default", request=None, responses=serializers.PaymentMethodSerializer
    )
    @raises(card_care.CardNotFound)
    def post(self, request: Request, card_id: UUID) -> Response:
        """Charge this card from now on; an unpaid renewal is tried with it at once."""
        chosen = card_care.make_default(account_id=_account(request).pk, card_id=card_id, now=now())
        return Response(serializers.PaymentMethodSerializer(chosen).data)


class BackupCardView(APIView):
    """Choosing the card that stands by."""

    reach = Reach.SENSITIVE

    @extend_schema(
        operation_id="payment_methods_make_backup", request=None, responses=serializers.PaymentMethodSerializer
    )
    @raises(card_care.CardNotFound, card_care.DefaultCardCannotStandBy)
    def post(self, request: Request, card_id: UUID) -> Response:
        """Let this card take turns with the default when that is declined for the time being, as for lack of funds."""
        chosen = card_care.stand_by(account_id=_account(request).pk, card_id=card_id, backup=True)
        return Response(serializers.PaymentMethodSerializer(chosen).data)

    @extend_schema(operation_id="payment_methods_drop_backup", responses=serializers.PaymentMethodSerializer)
    @raises(card_care.CardNotFound)
    def delete(self, request: Request, card_id: UUID) -> Response:
        """Let this card not stand by any more."""
        chosen = card_care.stand_by(account_id=_account(request).pk, card_id=card_id, backup=False)
        return Response(serializers.PaymentMethodSerializer(chosen).data)
