"""Endpoints of what a household blocks for its profiles."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.origins import origin_of
from accounts.services import pins
from catalog import rules
from catalog.api.viewers import viewer_of
from catalog.models import ProfileBlock
from catalog.models.titles import State
from catalog.selectors import blocks as selectors
from catalog.selectors.titles import TitleNotFound
from catalog.services import blocks
from core.api.pagination import CursorPagination
from core.api.problems import raises
from core.api.serializers import InputSerializer, TextField
from core.clock import now

_KINDS = ("title", "genre", "keyword")
_PIN_REFUSALS = (pins.PinRequired, pins.PinWrong, pins.PinLocked)


class MasterPinInput(InputSerializer):
    """What lifts a block."""

    master_pin = TextField(required=False, max_length=20, help_text="Where the household has one.")


class BlockInput(MasterPinInput):
    """What is to be blocked: one of a title, a genre and a keyword."""

    title = serializers.UUIDField(
        required=False, help_text="A title's id; its seasons, episodes and extras go with it."
    )
    genre = TextField(required=False, max_length=100, help_text="A genre's slug; the genres below it go with it.")
    keyword = TextField(required=False, max_length=100, help_text="A keyword, as titles show it.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Accept exactly one thing."""
        if sum(kind in attrs for kind in _KINDS) != 1:
            raise serializers.ValidationError(_("Give one of title, genre and keyword."))
        return attrs


class BlockSerializer(serializers.Serializer[ProfileBlock]):
    """One block."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(_KINDS)
    title = serializers.UUIDField(source="title_id", allow_null=True)
    genre = serializers.CharField(source="genre.slug", allow_null=True)
    keyword = serializers.CharField(source="keyword.name", allow_null=True)
    name = serializers.SerializerMethodField(help_text="What to show; of a title that is no longer public, nothing.")
    created_at = serializers.DateTimeField()

    def get_name(self, block: ProfileBlock) -> str:
        """Answer the name in the best language there is."""
        if block.genre or block.keyword:
            return str(block.genre or block.keyword)
        if block.title is None or block.title.state != State.PUBLISHED:
            return ""
        names = {text.language: text.name for text in block.title.texts.all() if text.name}
        viewer = self.context["viewer"]
        chain = rules.language_chain(viewer.languages, block.title.original_language, viewer.country)
        best = rules.best_language(names, chain)
        return names[best] if best else block.title.original_title


class Latest(CursorPagination):
    """The latest block first: ids grow with time."""

    ordering = "-id"


class BlocksView(generics.GenericAPIView[ProfileBlock]):
    """What one profile never sees."""

    queryset = ProfileBlock.objects.none()
    pagination_class = Latest
    serializer_class = BlockSerializer

    @extend_schema(operation_id="profiles_blocks_list", responses=BlockSerializer(many=True))
    @raises(pins.ProfileNotFound)
    def get(self, request: Request, profile_id: UUID) -> Response:
        """List what is blocked for a profile, the latest first."""
        found = self.paginate_queryset(selectors.of_profile(cast(User, request.user).pk, profile_id)) or []
        return self.get_paginated_response([_body(block, request) for block in found])

    @extend_schema(operation_id="profiles_blocks_create", request=BlockInput, responses={201: BlockSerializer})
    @raises(pins.ProfileNotFound, TitleNotFound, blocks.TagNotFound, blocks.TooManyBlocks, *_PIN_REFUSALS)
    def post(self, request: Request, profile_id: UUID) -> Response:
        """Block something for a profile, with the master PIN where the household has one; once more is no error."""
        wanted = BlockInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        kind = next(kind for kind in _KINDS if kind in wanted.validated_data)
        block = blocks.add(
            account_id=cast(User, request.user).pk,
            profile_id=profile_id,
            kind=kind,
            of=wanted.validated_data[kind],
            master_pin=wanted.validated_data.get("master_pin"),
            origin=origin_of(request),
            now=now(),
        )
        return Response(_body(block, request), status.HTTP_201_CREATED)


class LiftBlockView(APIView):
    """The end of a block."""

    @extend_schema(
        operation_id="profiles_blocks_lift",
        request=MasterPinInput,
        responses={204: OpenApiResponse(description="Lifted.")},
    )
    @raises(pins.ProfileNotFound, blocks.BlockNotFound, *_PIN_REFUSALS)
    def post(self, request: Request, profile_id: UUID, block_id: UUID) -> Response:
        """Show the profile again what was blocked, with the master PIN where the household has one."""
        wanted = MasterPinInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        blocks.remove(
            account_id=cast(User, request.user).pk,
            profile_id=profile_id,
            block_id=block_id,
            master_pin=wanted.validated_data.get("master_pin"),
            origin=origin_of(request),
            now=now(),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


def _body(block: ProfileBlock, request: Request) -> Any:
    return BlockSerializer(block, context={"viewer": viewer_of(request)}).data
