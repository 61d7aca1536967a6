"""Television sign-in: for the television, after RFC 8628; for the person, in our API and on the page /tv.

The television's two endpoints speak OAuth to the letter, errors included (docs/adr/0006), so they are
neither below /api/v1 nor in its description.
"""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import FormParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import origins, rules
from accounts.api.devices import TextField
from accounts.api.permissions import Reach
from accounts.models import DeviceAuthorization
from accounts.principals import Principal
from accounts.services import televisions
from core import geo
from core.api.problems import raises
from core.api.serializers import InputSerializer
from core.clock import now

DEVICE_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_TYPE = "X-Session-Token"  # noqa: S105 - the header that carries it


# ------------------------------------------------ the television's side


class ClientForm(forms.Form):
    """Which television asks."""

    client_id = forms.CharField(min_length=16, max_length=200)


class StartForm(ClientForm):
    """What a television says of itself."""

    device_name = forms.CharField(required=False, max_length=200)

    def clean_device_name(self) -> str:
        """Accept what can be shown as a name; a television that gives none is called so."""
        name: str = self.cleaned_data["device_name"]
        if not name:
            return "TV"
        clean = rules.clean_name(name)
        if clean is None:
            raise forms.ValidationError("1 to 40 visible characters")
        return clean


class PollForm(ClientForm):
    """What a television asks with."""

    device_code = forms.CharField(max_length=200)


class AnyNegotiation(BaseContentNegotiation):
    """JSON for everybody: an OAuth client need not say that it accepts it."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Take the parser of forms."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Take the renderer of JSON."""
        return renderers[0], renderers[0].media_type


class OAuthView(APIView):
    """An endpoint of RFC 6749: forms in, JSON out, errors as its section 5.2 has them."""

    authentication_classes = []
    permission_classes = [AllowAny]
    parser_classes = [FormParser]
    content_negotiation_class = AnyNegotiation

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]  # an HttpResponse, as DRF's is
        """Keep codes and tokens out of every cache (RFC 6749, 5.1)."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Cache-Control"] = "no-store"
        answer["Pragma"] = "no-cache"
        return answer

    def handle_exception(self, exc: Exception) -> Response:
        """Answer an error as OAuth has it."""
        if isinstance(exc, televisions.OAuthError):
            return _oauth_error(exc.code, exc.description)
        if isinstance(exc, exceptions.Throttled):
            answer = _oauth_error("slow_down", "Too many requests.", status.HTTP_429_TOO_MANY_REQUESTS)
            answer["Retry-After"] = str(max(1, int(getattr(exc, "wait", None) or 1)))
            return answer
        if isinstance(exc, exceptions.APIException) and exc.status_code < 500:
            return _oauth_error("invalid_request", str(exc.detail), exc.status_code)
        return super().handle_exception(exc)

    def read(self, form: type[forms.Form], request: Request) -> dict[str, Any]:
        """Answer what was sent; raises OAuthError if it is not what the endpoint asks for."""
        sent = cast(QueryDict, request.data)
        if any(len(sent.getlist(name)) > 1 for name in sent):
            raise televisions.OAuthError("invalid_request", "A parameter is given twice.")
        read = form(sent)
        if not read.is_valid():
            faults = "; ".join(f"{name}: {errors[0]}" for name, errors in read.errors.items())
            raise televisions.OAuthError("invalid_request", faults)
        return read.cleaned_data


@extend_schema(exclude=True)
class DeviceAuthorizationView(OAuthView):
    """Where a television begins (RFC 8628, 3.1)."""

    def post(self, request: Request) -> Response:
        """Answer the codes (RFC 8628, 3.2)."""
        sent = self.read(StartForm, request)
        started = televisions.start(
            client_id=sent["client_id"], name=sent["device_name"], place=origins.place_of(request), now=now()
        )
        page = f"{settings.PUBLIC_URL}{reverse('tv')}"
        return Response(
            {
                "device_code": started.device_code,
                "user_code": started.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?code={started.user_code}",
                "expires_in": started.expires_in,
                "interval": started.interval,
            }
        )


@extend_schema(exclude=True)
class TokenView(OAuthView):
    """Where a television asks whether it may come in (RFC 8628, 3.4)."""

    def post(self, request: Request) -> Response:
        """Answer the session, once somebody has confirmed the code (RFC 8628, 3.5)."""
        grant = cast(QueryDict, request.data).get("grant_type")
        if grant != DEVICE_CODE_GRANT:
            code = "unsupported_grant_type" if grant else "invalid_request"
            raise televisions.OAuthError(code, f"grant_type must be {DEVICE_CODE_GRANT}")
        sent = self.read(PollForm, request)
        token = televisions.poll(
            device_code=sent["device_code"],
            client_id=sent["client_id"],
            address=str(geo.client_address(request) or "::"),
            user_agent=request.headers.get("User-Agent", ""),
            now=now(),
        )
        return Response({"access_token": token.session_key, "token_type": TOKEN_TYPE, "expires_in": token.expires_in})


def _oauth_error(code: str, description: str, status_code: int = status.HTTP_400_BAD_REQUEST) -> Response:
    # The characters that error_description may have (RFC 6749, 5.2).
    plain = "".join(letter if " " <= letter <= "~" and letter not in '"\\' else "'" for letter in description)
    return Response({"error": code, "error_description": plain}, status_code)


# ------------------------------------------------ the person's side


class CodeSerializer(InputSerializer):
    """What stands on the television's screen."""

    user_code = TextField(max_length=40, help_text="In whatever case, with or without the dash.")


class WaitingSerializer(serializers.ModelSerializer[DeviceAuthorization]):
    """A television that waits."""

    class Meta:
        model = DeviceAuthorization
        fields = ["name", "place", "created_at", "expires_at"]
        extra_kwargs = {
            "name": {"help_text": "What the television calls itself."},
            "place": {"help_text": "Roughly where it is, by its address; may be empty."},
        }


class ConfirmationView(APIView):
    """What a person does with a code; a television cannot let another in."""

    reach = Reach.OWN_DEVICE

    def read(self, request: Request) -> dict[str, Any]:
        """Answer account, code and clock for the services."""
        wanted = CodeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account_id = cast(Principal, request.auth).account.pk
        return {"account_id": account_id, "user_code": wanted.validated_data["user_code"], "now": now()}


class CodeView(ConfirmationView):
    """Which television waits with a code."""

    @extend_schema(operation_id="tv_look_up", request=CodeSerializer, responses=WaitingSerializer)
    @raises(televisions.CodeNotFound, televisions.TooManyCodes)
    def post(self, request: Request) -> Response:
        """Answer which television waits, for the person to compare before letting it in."""
        return Response(WaitingSerializer(televisions.look_up(**self.read(request))).data)


class ApproveView(ConfirmationView):
    """Letting a television in."""

    @extend_schema(operation_id="tv_approve", request=CodeSerializer, responses=WaitingSerializer)
    @raises(televisions.CodeNotFound, televisions.TooManyCodes)
    def post(self, request: Request) -> Response:
        """Sign the television in to this account; it notices within seconds."""
        return Response(WaitingSerializer(televisions.approve(**self.read(request))).data)


class DenyView(ConfirmationView):
    """Keeping a television out."""

    @extend_schema(operation_id="tv_deny", request=CodeSerializer, responses={204: None})
    @raises(televisions.CodeNotFound, televisions.TooManyCodes)
    def post(self, request: Request) -> Response:
        """Refuse the television; its code is of no use any more."""
        televisions.deny(**self.read(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


@require_GET
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """Show the page on which a person types the code; its script calls the same API as any app."""
    code = rules.read_code(request.GET.get("code", "")[:40])
    context = {
        "site_name": settings.SITE_NAME,
        "code": rules.shown_code(code) if len(code) == rules.CODE_LENGTH else "",
        "is_signed_in": request.user.is_authenticated,
    }
    response = render(request, "site/tv.html", context)
    response["Cache-Control"] = "no-store"
    return response
