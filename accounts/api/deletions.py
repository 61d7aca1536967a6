"""Leaving, and staying after all."""

from __future__ import annotations

from typing import ClassVar, cast

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors
from accounts.api.permissions import Reach
from accounts.models import AccountDeletion, User
from accounts.origins import origin_of
from accounts.services import deletions
from core.api.problems import raises
from core.clock import now


class DeletionSerializer(serializers.ModelSerializer[AccountDeletion]):
    """A deletion that is under way."""

    class Meta:
        model = AccountDeletion
        fields = ["requested_at", "erase_at"]
        extra_kwargs = {"erase_at": {"help_text": "Until then it may be taken back."}}


class DeletionView(APIView):
    """The deletion of the account."""

    reach: ClassVar = {"GET": Reach.OWN_DEVICE, "POST": Reach.SENSITIVE, "DELETE": Reach.OWN_DEVICE}

    @extend_schema(operation_id="account_deletion_retrieve", responses=DeletionSerializer)
    @raises(deletions.DeletionNotRequested)
    def get(self, request: Request) -> Response:
        """Answer when the account will be erased."""
        found = selectors.deletion_of(cast(User, request.user).pk)
        if found is None:
            raise deletions.DeletionNotRequested
        return Response(DeletionSerializer(found).data)

    @extend_schema(operation_id="account_deletion_create", request=None, responses={201: DeletionSerializer})
    @raises(deletions.StaffCannotLeave)
    def post(self, request: Request) -> Response:
        """Ask for the account to be deleted. Nothing is charged from now on; all is erased after the grace period."""
        account = cast(User, request.user)
        asked = deletions.request(account_id=account.pk, by=account, now=now(), origin=origin_of(request))
        return Response(DeletionSerializer(asked).data, status.HTTP_201_CREATED)

    @extend_schema(operation_id="account_deletion_cancel", responses={204: OpenApiResponse(description="Taken back.")})
    @raises(deletions.DeletionNotRequested, deletions.DeletionUnderWay)
    def delete(self, request: Request) -> Response:
        """Stay: the account and its subscription go on as before."""
        account = cast(User, request.user)
        deletions.cancel(account_id=account.pk, by=account, now=now(), origin=origin_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
