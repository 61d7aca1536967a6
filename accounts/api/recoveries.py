"""Getting in when the second factor is lost."""

from __future__ import annotations

from typing import cast

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors
from accounts.api.devices import TextField
from accounts.models import Recovery, User
from accounts.origins import origin_of
from accounts.services import recoveries
from core.api.problems import TooManyRequests, raises
from core.api.serializers import InputSerializer
from core.clock import now


class CredentialsSerializer(InputSerializer):
    """What somebody signs in with who has no second factor any more."""

    email = TextField(max_length=254)
    password = TextField(max_length=4096, trim_whitespace=False)


class CompletionSerializer(CredentialsSerializer):
    """The same, with the code that proves the address."""

    code = TextField(max_length=40, help_text="From the mail that came when the delay was over.")


class RecoverySerializer(serializers.ModelSerializer[Recovery]):
    """A recovery that is under way."""

    class Meta:
        model = Recovery
        fields = ["requested_at", "effective_at", "expires_at"]
        extra_kwargs = {
            "effective_at": {"help_text": "From then on it may be completed, with a code that is mailed then."},
            "expires_at": {"help_text": "After that it begins anew."},
        }


class RecoveryRequestView(APIView):
    """The beginning, for whoever cannot sign in."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(operation_id="recovery_request", request=CredentialsSerializer, responses={202: RecoverySerializer})
    @raises(recoveries.RecoveryRefused, TooManyRequests)
    def post(self, request: Request) -> Response:
        """Ask for the second factor to be removed; every verified address is told, and each can stop it."""
        wanted = CredentialsSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = _account_of(request, wanted.validated_data)
        begun = recoveries.request(account_id=account.pk, now=now(), origin=origin_of(request))
        return Response(RecoverySerializer(begun).data, status.HTTP_202_ACCEPTED)


class RecoveryCompleteView(APIView):
    """The end, for whoever cannot sign in."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(operation_id="recovery_complete", request=CompletionSerializer, responses={204: None})
    @raises(recoveries.RecoveryRefused, TooManyRequests)
    def post(self, request: Request) -> Response:
        """Remove every second factor and end every sign-in; then sign in with address and password."""
        wanted = CompletionSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = _account_of(request, wanted.validated_data)
        recoveries.complete(
            account_id=account.pk, code=wanted.validated_data["code"], now=now(), origin=origin_of(request)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class RecoveryView(APIView):
    """A recovery, as whoever is signed in sees and stops it; a television may, too."""

    @extend_schema(operation_id="account_recovery_retrieve", responses=RecoverySerializer)
    @raises(recoveries.RecoveryNotFound)
    def get(self, request: Request) -> Response:
        """Answer the recovery that is under way."""
        found = selectors.recovery_of(cast(User, request.user).pk)
        if found is None:
            raise recoveries.RecoveryNotFound
        return Response(RecoverySerializer(found).data)

    @extend_schema(operation_id="account_recovery_stop", responses={204: OpenApiResponse(description="Stopped.")})
    @raises(recoveries.RecoveryNotFound)
    def delete(self, request: Request) -> Response:
        """Stop it: the second factor stays."""
        account = cast(User, request.user)
        recoveries.cancel(account_id=account.pk, by=account, now=now(), origin=origin_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


@require_http_methods(["GET", "HEAD", "POST"])
def stop_page(request: HttpRequest) -> HttpResponse:
    """Show the page that a mail's link leads to; looking stops nothing, since programs follow links, too."""
    token = request.POST.get("token", "") if request.method == "POST" else request.GET.get("token", "")
    state = "ask"
    if request.method == "POST":
        try:
            recoveries.cancel_by_link(token=token[:100], now=now(), origin=origin_of(request))
            state = "stopped"
        except recoveries.RecoveryNotFound:
            state = "unknown"
    response = render(
        request, "site/stop_recovery.html", {"site_name": settings.SITE_NAME, "token": token[:100], "state": state}
    )
    response["Cache-Control"] = "no-store"
    return response


def _account_of(request: Request, credentials: dict[str, str]) -> User:
    """Answer whose address and password these are; guesses are counted as at sign-in."""
    try:
        account = get_adapter().authenticate(
            request._request, email=credentials["email"], password=credentials["password"]
        )
    except ValidationError as error:
        if error.code == "too_many_login_attempts":
            raise TooManyRequests(retry_after=300) from None
        raise recoveries.RecoveryRefused from None
    if not isinstance(account, User):
        raise recoveries.RecoveryRefused
    return account
