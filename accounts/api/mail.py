"""What mail programs and mail servers call: the way out of optional mail, and news of mail that came back."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.services import preferences, suppressions
from core.api.serializers import InputSerializer
from core.clock import now


# The token is the right, and mail programs send no cookie (RFC 8058): there is nothing to forge.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest) -> HttpResponse:
    """End mail about a topic by POST, at once; by GET show a button, since programs follow links, too."""
    token, status_code = request.GET.get("token", ""), 200
    context = {"site_name": settings.SITE_NAME, "topic": "", "state": "ask"}
    try:
        if request.method == "POST":
            context |= {"topic": preferences.unsubscribe(token=token, now=now()), "state": "done"}
        else:
            context["topic"] = preferences.topic_of(token)
    except preferences.UnsubscribeLinkInvalid as error:
        context["state"], status_code = "invalid", error.status
    response = render(request, "site/unsubscribe.html", context, status=status_code)
    response["Cache-Control"] = "no-store"
    return response


class MailEventSerializer(InputSerializer):
    """What happened to one mail."""

    type = serializers.ChoiceField(choices=["bounce", "complaint"])
    address = serializers.CharField(max_length=254)
    permanent = serializers.BooleanField(default=True, help_text="False for a mailbox that is full: ignored.")
    detail = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000)


class MailEventsSerializer(InputSerializer):
    """What a mail service tells."""

    events = MailEventSerializer(many=True)


class MailEventsView(APIView):
    """Where the operator's mail service tells of mail that came back, and of complaints."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    throttle_classes: list[Any] = []

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        """Stop mail to these addresses. The header `Authorization: Bearer MAIL_EVENTS_TOKEN` says who asks."""
        if not settings.MAIL_EVENTS_TOKEN:
            raise NotFound
        if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.MAIL_EVENTS_TOKEN}"):
            raise PermissionDenied
        told = MailEventsSerializer(data=request.data)
        told.is_valid(raise_exception=True)
        for event in told.validated_data["events"]:
            if event["permanent"]:
                suppressions.suppress(
                    address=event["address"],
                    reason=suppressions.Reason(event["type"]),
                    detail=event["detail"],
                    now=now(),
                )
        return Response(status=status.HTTP_204_NO_CONTENT)
