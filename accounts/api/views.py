"""Endpoints of the account and its profiles."""

from __future__ import annotations

from typing import ClassVar, cast
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
    ProfileChangeSerializer,
    ProfileSerializer,
)
from accounts.models import User
from accounts.principals import Principal
from accounts.services import accounts, profiles, sessions
from core.api.problems import raises
from core.clock import now


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
        account = accounts.change(account_id=cast(User, request.user).pk, fields=wanted.validated_data)
        return _account_answer(request, account)


class ProfilesView(APIView):
    """The profiles of the household."""

    reach: ClassVar = {"GET": Reach.SIGNED_IN}

    @extend_schema(operation_id="profiles_list", responses=ProfileSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the profiles, oldest first; there are never more than seven."""
        return Response(ProfileSerializer(selectors.profiles_of(cast(User, request.user).pk), many=True).data)

    @extend_schema(operation_id="profiles_create", request=ProfileChangeSerializer, responses={201: ProfileSerializer})
    @raises(
        profiles.TooManyProfiles, profiles.ProfileNameTaken, profiles.AdultProfileRequired, profiles.KidsLimitsExceeded
    )
    def post(self, request: Request) -> Response:
        """Add a profile; the first one is an adult's."""
        wanted = ProfileChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        profile = profiles.create(account_id=cast(User, request.user).pk, fields=wanted.validated_data, now=now())
        return Response(ProfileSerializer(profile).data, status.HTTP_201_CREATED)


class ProfileView(APIView):
    """One profile of the household."""

    reach: ClassVar = {"GET": Reach.OWN_PROFILE}

    @extend_schema(operation_id="profiles_retrieve", responses=ProfileSerializer)
    @raises(profiles.ProfileNotFound)
    def get(self, request: Request, profile_id: UUID) -> Response:
        """Answer a profile."""
        profile = selectors.profiles_of(cast(User, request.user).pk).filter(pk=profile_id).first()
        if profile is None:
            raise profiles.ProfileNotFound
        return Response(ProfileSerializer(profile).data)

    @extend_schema(operation_id="profiles_update", request=ProfileChangeSerializer, responses=ProfileSerializer)
    @raises(
        profiles.ProfileNotFound, profiles.ProfileNameTaken, profiles.AdultProfileRequired, profiles.KidsLimitsExceeded
    )
    def patch(self, request: Request, profile_id: UUID) -> Response:
        """Change a profile."""
        wanted = ProfileChangeSerializer(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        profile = profiles.change(
            account_id=cast(User, request.user).pk, profile_id=profile_id, fields=wanted.validated_data, now=now()
        )
        return Response(ProfileSerializer(profile).data)

    @extend_schema(operation_id="profiles_delete", responses={204: OpenApiResponse(description="Deleted.")})
    @raises(profiles.ProfileNotFound, profiles.AdultProfileRequired)
    def delete(self, request: Request, profile_id: UUID) -> Response:
        """Delete a profile; the last adult's stays."""
        profiles.delete(account_id=cast(User, request.user).pk, profile_id=profile_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class EnterProfileView(APIView):
    """Who is watching."""

    reach = Reach.SIGNED_IN

    @extend_schema(operation_id="profiles_enter", request=None, responses=ProfileSerializer)
    @raises(profiles.ProfileNotFound, sessions.SessionUnknown)
    def post(self, request: Request, profile_id: UUID) -> Response:
        """Act as this profile from now on; it holds for this sign-in alone."""
        profile = profiles.enter(
            account_id=cast(User, request.user).pk,
            profile_id=profile_id,
            session_key=cast(Principal, request.auth).session_key,
            now=now(),
        )
        return Response(ProfileSerializer(profile).data)


def _account_answer(request: Request, account: User) -> Response:
    profile = cast(Principal, request.auth).profile
    return Response(AccountSerializer(account, context={"profile": profile}).data)
