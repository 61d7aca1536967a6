"""Endpoints of the devices and browsers that are signed in."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import rules, selectors
from accounts.api.permissions import Reach
from accounts.models import Device
from accounts.principals import Principal
from accounts.services import devices, sessions
from core.api.problems import raises
from core.api.serializers import InputSerializer
from core.clock import now


class DeviceSerializer(serializers.ModelSerializer[Device]):
    """A device or browser."""

    user_agent = serializers.SerializerMethodField(help_text="What it called itself when it signed in.")
    is_signed_in = serializers.SerializerMethodField(help_text="Else it only holds a place of the plan.")
    is_current = serializers.SerializerMethodField(help_text="Whether this request comes from it.")
    registered_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when it holds a place of the plan; null if it holds none."
    )

    class Meta:
        model = Device
        fields = [
            "id",
            "name",
            "kind",
            "user_agent",
            "place",
            "is_signed_in",
            "is_current",
            "registered_at",
            "created_at",
            "last_seen_at",
        ]

    def get_user_agent(self, device: Device) -> str:
        """Answer it from the session."""
        return device.session.user_agent if device.session else ""

    def get_is_signed_in(self, device: Device) -> bool:
        """Whether it has a session."""
        return device.session_id is not None

    def get_is_current(self, device: Device) -> bool:
        """Whether its session is the context's."""
        return device.session_id is not None and device.session_id == self.context["session_id"]


class TextField(serializers.CharField):
    """Text alone: DRF's field takes numbers for text, which the description does not say."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is no text."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class NameField(TextField):
    """A name that can be shown."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=200, help_text="1 to 40 characters as shown.", **options)

    def to_internal_value(self, data: Any) -> str:
        """Accept what can be shown as a name."""
        name = rules.clean_name(super().to_internal_value(data))
        if name is None:
            raise serializers.ValidationError(
                _("Give a name of 1 to 40 visible characters, without control characters.")
            )
        return name


class RenameSerializer(InputSerializer):
    """Another name."""

    name = NameField()


class IdentifySerializer(InputSerializer):
    """Which device this is."""

    client_id = TextField(
        min_length=16,
        max_length=200,
        trim_whitespace=False,
        help_text="Chosen at random when the app is installed, and kept for good. We store its SHA-256.",
    )
    kind = serializers.ChoiceField(
        choices=rules.DEVICE_KINDS, help_text="What it is; decides how long its sign-in lasts without use."
    )
    name = NameField(required=False)


class DevicesView(APIView):
    """Where the account is signed in."""

    @extend_schema(operation_id="devices_list", responses=DeviceSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List devices and browsers that are signed in or hold a place of the plan, last used first."""
        found = selectors.devices_of(_principal(request).account.pk)
        return Response(DeviceSerializer(found, many=True, context=_context(request)).data)


class DeviceView(APIView):
    """One device or browser."""

    reach = Reach.OWN_DEVICE

    @extend_schema(operation_id="devices_update", request=RenameSerializer, responses=DeviceSerializer)
    @raises(devices.DeviceNotFound)
    def patch(self, request: Request, device_id: UUID) -> Response:
        """Rename it."""
        wanted = RenameSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account_id = _principal(request).account.pk
        devices.rename(account_id=account_id, device_id=device_id, name=wanted.validated_data["name"])
        return _answer(request, device_id)

    @extend_schema(operation_id="devices_delete", responses={204: OpenApiResponse(description="Signed out.")})
    @raises(devices.DeviceNotFound)
    def delete(self, request: Request, device_id: UUID) -> Response:
        """Sign it out, from its next request on, and free its place of the plan."""
        devices.remove(account_id=_principal(request).account.pk, device_id=device_id, now=now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class CurrentDeviceView(APIView):
    """The device that asks."""

    @extend_schema(operation_id="devices_identify", request=IdentifySerializer, responses=DeviceSerializer)
    @raises(devices.DeviceKindFixed, sessions.SessionUnknown)
    def put(self, request: Request) -> Response:
        """Say which device this sign-in runs on; apps do so once, after signing in."""
        wanted = IdentifySerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        principal = _principal(request)
        device = devices.identify(
            account_id=principal.account.pk,
            session_id=principal.session_id,
            client_id=wanted.validated_data["client_id"],
            kind=wanted.validated_data["kind"],
            name=wanted.validated_data.get("name", ""),
            now=now(),
        )
        return _answer(request, device.pk)


class SignOutOthersView(APIView):
    """Everything but the device that asks."""

    reach = Reach.OWN_DEVICE

    @extend_schema(
        operation_id="devices_sign_out_others",
        request=None,
        responses={204: OpenApiResponse(description="Signed out.")},
    )
    def post(self, request: Request) -> Response:
        """Sign out every other device and browser, from their next request on; places of the plan stay theirs."""
        principal = _principal(request)
        sessions.end(account_id=principal.account.pk, spare=principal.session_key, now=now())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _principal(request: Request) -> Principal:
    return cast(Principal, request.auth)


def _context(request: Request) -> dict[str, Any]:
    return {"session_id": _principal(request).session_id}


def _answer(request: Request, device_id: UUID) -> Response:
    device = selectors.devices_of(_principal(request).account.pk).filter(pk=device_id).first()
    if device is None:
        raise devices.DeviceNotFound
    return Response(DeviceSerializer(device, context=_context(request)).data)
