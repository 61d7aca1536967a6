"""Endpoints of the account and its profiles."""

from __future__ import annotations

from typing import Any, ClassVar, cast
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors
from accounts.api.permissions import Reach
from accounts.api.serializers import (
    AccountChangeSerializer,
    AccountSerializer,
    EnterSerializer,
    MasterPinSerializer,
    PinSerializer,
    ProfileChangeSerializer,
    ProfileSerializer,
)
from accounts.models import Profile, User
from accounts.origins import origin_of
from accounts.principals import Principal
from accounts.services import accounts, pins, profiles, sessions
from core.api.problems import raises
from core.clock import now

_PIN_REFUSALS = (pins.PinRequired, pins.PinWrong, pins.PinLocked)


class AccountView(APIView):
    """The account that is signed in."""

    @extend_schema(operation_id="account_retrieve", responses=AccountSerializer)
    def get(self, request: Request) -> Response:
        """Answer the account."""
        return _account_answer(request, cast(User, request.user))

    @extend_schema(operation_id="account_update", request=AccountChangeSerializer, responses=AccountSerializer)
    def patch(self, request: Request) -> Response:
        """Change country or language."""
        wanted = AccountChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account = accounts.change(account_id=cast(User, request.user).pk, fields=wanted.validated_data, now=now())
        return _account_answer(request, account)


class ProfilesView(APIView):
    """The profiles of the household."""

    reach: ClassVar = {"GET": Reach.SIGNED_IN}

    @extend_schema(operation_id="profiles_list", responses=ProfileSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the profiles, oldest first; there are never more than seven."""
        account_id = cast(User, request.user).pk
        guarded = selectors.guarded_profiles(account_id)
        found = selectors.profiles_of(account_id)
        return Response(ProfileSerializer(found, many=True, context={"guarded": guarded}).data)

    @extend_schema(operation_id="profiles_create", request=ProfileChangeSerializer, responses={201: ProfileSerializer})
    @raises(
        profiles.TooManyProfiles,
        profiles.ProfileNameTaken,
        profiles.AdultProfileRequired,
        profiles.KidsLimitsExceeded,
        *_PIN_REFUSALS,
    )
    def post(self, request: Request) -> Response:
        """Add a profile; the first one is an adult's."""
        wanted = ProfileChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        master_pin = wanted.validated_data.pop("master_pin", None)
        profile = profiles.create(
            account_id=cast(User, request.user).pk,
            fields=wanted.validated_data,
            master_pin=master_pin,
            origin=origin_of(request),
            now=now(),
        )
        return Response(_profile_body(profile), status.HTTP_201_CREATED)


class ProfileView(APIView):
    """One profile of the household."""

    reach: ClassVar = {"GET": Reach.OWN_PROFILE}

    @extend_schema(operation_id="profiles_retrieve", responses=ProfileSerializer)
    @raises(pins.ProfileNotFound)
    def get(self, request: Request, profile_id: UUID) -> Response:
        """Answer a profile."""
        profile = selectors.profiles_of(cast(User, request.user).pk).filter(pk=profile_id).first()
        if profile is None:
            raise pins.ProfileNotFound
        return Response(_profile_body(profile))

    @extend_schema(operation_id="profiles_update", request=ProfileChangeSerializer, responses=ProfileSerializer)
    @raises(
        pins.ProfileNotFound,
        profiles.ProfileNameTaken,
        profiles.AdultProfileRequired,
        profiles.KidsLimitsExceeded,
        *_PIN_REFUSALS,
    )
    def patch(self, request: Request, profile_id: UUID) -> Response:
        """Change a profile; its limits with the master PIN, where the household has one."""
        wanted = ProfileChangeSerializer(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        master_pin = wanted.validated_data.pop("master_pin", None)
        profile = profiles.change(
            account_id=cast(User, request.user).pk,
            profile_id=profile_id,
            fields=wanted.validated_data,
            master_pin=master_pin,
            origin=origin_of(request),
            now=now(),
        )
        return Response(_profile_body(profile))

    @extend_schema(operation_id="profiles_delete", responses={204: OpenApiResponse(description="Deleted.")})
    @raises(pins.ProfileNotFound, profiles.AdultProfileRequired)
    def delete(self, request: Request, profile_id: UUID) -> Response:
        """Delete a profile; the last adult's stays."""
        profiles.delete(
            account_id=cast(User, request.user).pk, profile_id=profile_id, origin=origin_of(request), now=now()
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class EnterProfileView(APIView):
    """Who is watching."""

    reach = Reach.SIGNED_IN

    @extend_schema(operation_id="profiles_enter", request=EnterSerializer, responses=ProfileSerializer)
    @raises(pins.ProfileNotFound, sessions.SessionUnknown, *_PIN_REFUSALS)
    def post(self, request: Request, profile_id: UUID) -> Response:
        """Act as this profile from now on; it holds for this sign-in alone."""
        opened = _opened_with(request)
        profile = profiles.enter(
            account_id=cast(User, request.user).pk,
            profile_id=profile_id,
            session_key=cast(Principal, request.auth).session_key,
            origin=origin_of(request),
            now=now(),
            **opened,
        )
        return Response(_profile_body(profile))


class LeaveProfileView(APIView):
    """Nobody in particular is watching."""

    reach = Reach.SIGNED_IN

    @extend_schema(
        operation_id="profiles_leave", request=EnterSerializer, responses={204: OpenApiResponse(description="Left.")}
    )
    @raises(sessions.SessionUnknown, *_PIN_REFUSALS)
    def post(self, request: Request) -> Response:
        """Act as no profile from now on; a kids profile is left with the master PIN, where the household has one."""
        opened = _opened_with(request)
        profiles.leave(
            account_id=cast(User, request.user).pk,
            session_key=cast(Principal, request.auth).session_key,
            master_pin=opened["master_pin"],
            origin=origin_of(request),
            now=now(),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class MasterPinView(APIView):
    """The PIN that guards the limits of profiles."""

    reach: ClassVar = {"PUT": Reach.SENSITIVE, "DELETE": Reach.SENSITIVE}

    @extend_schema(operation_id="master_pin_retrieve", responses=MasterPinSerializer)
    def get(self, request: Request) -> Response:
        """Answer whether there is one."""
        return Response({"is_set": selectors.has_master_pin(cast(User, request.user).pk)})

    @extend_schema(
        operation_id="master_pin_put", request=PinSerializer, responses={204: OpenApiResponse(description="Set.")}
    )
    @raises(pins.PinWeak)
    def put(self, request: Request) -> Response:
        """Set it, or another in place of a forgotten one."""
        return _put_pin(request, None)

    @extend_schema(operation_id="master_pin_delete", responses={204: OpenApiResponse(description="Gone.")})
    def delete(self, request: Request) -> Response:
        """Take it away."""
        return _remove_pin(request, None)


class ProfilePinView(APIView):
    """The PIN that opens one profile."""

    reach = Reach.SENSITIVE

    @extend_schema(
        operation_id="profile_pin_put", request=PinSerializer, responses={204: OpenApiResponse(description="Set.")}
    )
    @raises(pins.PinWeak, pins.ProfileNotFound)
    def put(self, request: Request, profile_id: UUID) -> Response:
        """Set it, or another in place of a forgotten one; sign-ins that act as the profile enter it anew."""
        return _put_pin(request, profile_id)

    @extend_schema(operation_id="profile_pin_delete", responses={204: OpenApiResponse(description="Gone.")})
    @raises(pins.ProfileNotFound)
    def delete(self, request: Request, profile_id: UUID) -> Response:
        """Take it away."""
        return _remove_pin(request, profile_id)


def _opened_with(request: Request) -> dict[str, str | None]:
    wanted = EnterSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    return {name: wanted.validated_data.get(name) for name in ("pin", "master_pin")}


def _put_pin(request: Request, profile_id: UUID | None) -> Response:
    wanted = PinSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    pins.put(
        account_id=cast(User, request.user).pk,
        profile_id=profile_id,
        pin=wanted.validated_data["pin"],
        origin=origin_of(request),
        now=now(),
    )
    return Response(status=status.HTTP_204_NO_CONTENT)


def _remove_pin(request: Request, profile_id: UUID | None) -> Response:
    pins.remove(account_id=cast(User, request.user).pk, profile_id=profile_id, origin=origin_of(request), now=now())
    return Response(status=status.HTTP_204_NO_CONTENT)


def _profile_body(profile: Profile) -> Any:
    guarded = selectors.guarded_profiles(profile.account_id)
    return ProfileSerializer(profile, context={"guarded": guarded}).data


def _account_answer(request: Request, account: User) -> Response:
    profile = cast(Principal, request.auth).profile
    return Response(AccountSerializer(account, context={"profile": profile}).data)
