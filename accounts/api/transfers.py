"""Handing a profile over to another account."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, cast
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import rules, selectors
from accounts.api.devices import NameField
from accounts.api.permissions import Reach
from accounts.api.serializers import ProfileSerializer
from accounts.models import ProfileTransfer, User
from accounts.origins import origin_of
from accounts.services import pins, profiles, sessions, transfers
from core.api.problems import raises
from core.api.serializers import InputSerializer, TextField
from core.clock import now

OUTGOING, INCOMING = "outgoing", "incoming"
OPEN = "open"
STATES = [OPEN, *(outcome.value for outcome in transfers.Outcome if outcome.value)]


class TransferSerializer(serializers.ModelSerializer[ProfileTransfer]):
    """A profile that is or was offered. Who offers it, and its name, are told while the offer is open."""

    direction = serializers.SerializerMethodField(help_text="Whether this account offers it, or it is offered to it.")
    state = serializers.SerializerMethodField(help_text="`open` can be answered and withdrawn.")
    profile_id = serializers.UUIDField(read_only=True, allow_null=True, help_text="Null once it was deleted.")
    profile_name = serializers.SerializerMethodField()
    is_kids = serializers.SerializerMethodField()
    from_email = serializers.SerializerMethodField(help_text="The address of the account that offers it.")
    to_email = serializers.CharField(read_only=True, help_text="Whoever reads this address may answer.")

    class Meta:
        model = ProfileTransfer
        fields = [
            "id",
            "direction",
            "state",
            "profile_id",
            "profile_name",
            "is_kids",
            "from_email",
            "to_email",
            "offered_at",
            "expires_at",
            "ended_at",
        ]

    @extend_schema_field(serializers.ChoiceField(choices=[OUTGOING, INCOMING]))
    def get_direction(self, transfer: ProfileTransfer) -> str:
        """Answer it from the context's `account_id`."""
        return OUTGOING if transfer.from_account_id == self.context["account_id"] else INCOMING

    @extend_schema_field(serializers.ChoiceField(choices=STATES))
    def get_state(self, transfer: ProfileTransfer) -> str:
        """Answer how it stands at the context's `now`, also before the sweep has noticed."""
        if transfer.outcome:
            return transfer.outcome
        return OPEN if transfer.expires_at > self._now() else transfers.Outcome.EXPIRED.value

    def get_profile_name(self, transfer: ProfileTransfer) -> str | None:
        """Answer what the profile is called: afterwards that is its household's own."""
        return transfer.profile.name if transfer.profile and self._is_open(transfer) else None

    def get_is_kids(self, transfer: ProfileTransfer) -> bool | None:
        """Answer whether it is a child's."""
        return transfer.profile.is_kids if transfer.profile and self._is_open(transfer) else None

    def get_from_email(self, transfer: ProfileTransfer) -> str | None:
        """Answer who offers it."""
        return transfer.from_account.email if self._is_open(transfer) else None

    def _is_open(self, transfer: ProfileTransfer) -> bool:
        return self.get_state(transfer) == OPEN

    def _now(self) -> datetime:
        moment: datetime = self.context["now"]
        return moment


class OfferSerializer(InputSerializer):
    """Whom a profile is offered to."""

    email = TextField(max_length=254, help_text="The other account's address, or one that will sign up.")

    def validate_email(self, value: str) -> str:
        """Accept what can be an address."""
        return cast(str, serializers.EmailField(max_length=254).run_validation(rules.canonical_email(value)))


class AcceptSerializer(InputSerializer):
    """How a profile is taken in."""

    name = NameField(required=False)
    master_pin = TextField(required=False, max_length=20, help_text="The household's, where it has one.")


class OfferView(APIView):
    """A profile of the household, for another one."""

    reach = Reach.SENSITIVE

    @extend_schema(operation_id="profiles_offer", request=OfferSerializer, responses={201: TransferSerializer})
    @raises(
        pins.ProfileNotFound,
        profiles.AdultProfileRequired,
        transfers.TransferOpen,
        transfers.TransferToSelf,
        transfers.TooManyTransfers,
        transfers.AccountLeaving,
        sessions.SessionUnknown,
    )
    def post(self, request: Request, profile_id: UUID) -> Response:
        """Offer the profile, with its history, to whoever reads an address; whether an account has it is not told."""
        wanted = OfferSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        account_id = cast(User, request.user).pk
        made = transfers.offer(
            account_id=account_id,
            profile_id=profile_id,
            email=wanted.validated_data["email"],
            now=now(),
            origin=origin_of(request),
        )
        return Response(TransferSerializer(made, context=_context(request)).data, status.HTTP_201_CREATED)


class TransfersView(generics.ListAPIView[ProfileTransfer]):
    """Profiles that the account offers, and that are offered to it."""

    serializer_class = TransferSerializer
    reach = Reach.OWN_DEVICE
    ordering: ClassVar[Any] = ("-offered_at", "-id")

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return ProfileTransfer.objects.none()
        return selectors.transfers_of(cast(User, self.request.user).pk)

    def get_serializer_context(self) -> dict[str, Any]:
        """Answer whose list it is, and when."""
        own = {} if getattr(self, "swagger_fake_view", False) else _context(self.request)
        return {**super().get_serializer_context(), **own}

    @extend_schema(operation_id="profile_transfers_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List transfers, newest first; each is kept for 30 days after its end."""
        return super().get(request, *args, **kwargs)


class TransferView(APIView):
    """One transfer."""

    reach = Reach.OWN_DEVICE

    @extend_schema(operation_id="profile_transfers_retrieve", responses=TransferSerializer)
    @raises(transfers.TransferNotFound)
    def get(self, request: Request, transfer_id: UUID) -> Response:
        """Answer how it stands."""
        found = selectors.transfers_of(cast(User, request.user).pk).filter(pk=transfer_id).first()
        if found is None:
            raise transfers.TransferNotFound
        return Response(TransferSerializer(found, context=_context(request)).data)

    @extend_schema(operation_id="profile_transfers_cancel", responses={204: OpenApiResponse(description="Withdrawn.")})
    @raises(transfers.TransferNotFound, transfers.TransferEnded)
    def delete(self, request: Request, transfer_id: UUID) -> Response:
        """Withdraw an offer that this account made."""
        transfers.cancel(
            account_id=cast(User, request.user).pk, transfer_id=transfer_id, now=now(), origin=origin_of(request)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class AcceptView(APIView):
    """The other household's yes."""

    reach = Reach.SENSITIVE

    @extend_schema(operation_id="profile_transfers_accept", request=AcceptSerializer, responses=ProfileSerializer)
    @raises(
        transfers.TransferNotFound,
        transfers.TransferEnded,
        transfers.TransferUnavailable,
        transfers.AccountLeaving,
        profiles.TooManyProfiles,
        profiles.ProfileNameTaken,
        profiles.AdultProfileRequired,
        pins.PinRequired,
        pins.PinWrong,
        pins.PinLocked,
        sessions.SessionUnknown,
    )
    def post(self, request: Request, transfer_id: UUID) -> Response:
        """Take the profile in, with its history and its limits and without its PIN; under another name, if need be."""
        wanted = AcceptSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        profile = transfers.accept(
            account_id=cast(User, request.user).pk,
            transfer_id=transfer_id,
            now=now(),
            origin=origin_of(request),
            **wanted.validated_data,
        )
        return Response(ProfileSerializer(profile, context={"guarded": frozenset()}).data)


class DeclineView(APIView):
    """The other household's no."""

    reach = Reach.SENSITIVE

    @extend_schema(
        operation_id="profile_transfers_decline",
        request=None,
        responses={204: OpenApiResponse(description="Declined.")},
    )
    @raises(transfers.TransferNotFound, transfers.TransferEnded)
    def post(self, request: Request, transfer_id: UUID) -> Response:
        """Refuse the offer."""
        transfers.decline(
            account_id=cast(User, request.user).pk, transfer_id=transfer_id, now=now(), origin=origin_of(request)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


def _context(request: Request) -> dict[str, Any]:
    return {"account_id": cast(User, request.user).pk, "now": now()}
