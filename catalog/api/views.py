"""Endpoints of the catalogue. Browsing needs a sign-in; what is answered depends on who looks, where and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param
from rest_framework.views import APIView

from accounts.api.permissions import Reach
from catalog.api import representations
from catalog.api.filters import TitleFilters
from catalog.api.serializers import (
    CardSerializer,
    ComingSerializer,
    EpisodeSerializer,
    EpisodesParameters,
    GenreSerializer,
    PersonSerializer,
    SearchAnswerSerializer,
    SearchParameters,
    SuggestionsParameters,
    SuggestionsSerializer,
    TitlePageSerializer,
    WithdrawnParameters,
    WithdrawnSerializer,
)
from catalog.api.viewers import viewer_of
from catalog.models import Title
from catalog.rules import Viewer
from catalog.selectors import availability, parts, search, titles
from catalog.services import kept
from catalog.services import search as services
from core import transactions
from core.api import etags
from core.api.filters import FilterBackend
from core.api.pagination import CursorPagination, InvalidCursor
from core.api.problems import raises
from core.clock import now
from core.geo import PREVIEW_PARAMETER, PreviewCountryUnknown, PreviewForbidden


class Newest(CursorPagination):
    """Newest in the catalogue first: ids grow with time."""

    ordering = "-id"


class InOrder(CursorPagination):
    """Season by season, episode by episode."""

    ordering = ("place", "id")


class OldestWithdrawn(CursorPagination):
    """In the order in which they went up to `end`, with where to go on once more have gone."""

    ordering = ("withdrawn_in", "id")

    def __init__(self, end: int = 0) -> None:
        super().__init__()
        self._end = end

    def get_paginated_response(self, data: Any) -> Response:
        """Answer the page with links to its neighbours, and to what goes later."""
        answer = super().get_paginated_response(data)
        answer.data["later"] = self._later()
        return answer

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: APIView | None = None) -> list[Any]:  # type: ignore[override]  # as its parent
        """Answer the rows of the page that the request asks for."""
        self._rows = super().paginate_queryset(queryset, request, view)
        return self._rows

    def _position(self, cursor: str | None) -> tuple[list[Any] | None, bool]:
        after, backwards = super()._position(cursor)
        # Only another server, from which the rows were loaded, has told of what is still to come here.
        if after is not None and after[0] > self._end:
            raise InvalidCursor
        return after, backwards

    def _later(self) -> str:
        if not self._rows and self.cursor_query_param in self._request.query_params:
            return self._request.build_absolute_uri()
        # Where the list ended before it was read: what has gone since then is still to be told.
        last = self._rows[-1] if self._rows else {"withdrawn_in": self._end, "id": UUID(int=0)}
        return remove_query_param(self._link(last, backwards=False), "since")

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page."""
        page = super().get_paginated_response_schema(schema)
        page["properties"]["later"] = {
            "type": "string", "format": "uri", "description": "Where to ask again later: for what goes after this page, and nothing twice.",
        }  # fmt: skip
        page["required"] = [*page["required"], "later"]
        return page


class TitlesView(generics.GenericAPIView[Title]):
    """Films, series and specials that the viewer may watch."""

    reach = Reach.PROFILE
    queryset = Title.objects.none()
    pagination_class = Newest
    filter_backends = [FilterBackend]
    filterset_class = TitleFilters
    serializer_class = CardSerializer

    @extend_schema(operation_id="titles_list", responses=CardSerializer(many=True))
    @raises(PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request) -> Response:
        """List titles, newest in the catalogue first."""
        viewer, at = viewer_of(request), now()

        def page() -> Any:
            found = self.paginate_queryset(self.filter_queryset(titles.browse(viewer, at))) or []
            parts.fetch(found, since=at)
            return self.get_paginated_response([representations.card(title, viewer, at) for title in found]).data

        # What is no parameter of ours would fill Valkey with the same page under many names.
        is_kept = set(request.query_params) <= _PARAMETERS
        return _kept_answer(request, viewer, at, page) if is_kept else _answer(request, viewer, page())


class TitleView(APIView):
    """One title."""

    reach = Reach.PROFILE

    @extend_schema(operation_id="titles_retrieve", responses=TitlePageSerializer)
    @raises(titles.TitleNotFound, PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request, title_id: UUID) -> Response:
        """Answer a title with credits, ratings, artwork, its seasons and its extras."""
        viewer, at = viewer_of(request), now()

        def page() -> Any:
            return representations.page(*titles.page_for(title_id, viewer, at), viewer, at)

        return _kept_answer(request, viewer, at, page)


class ComingView(generics.GenericAPIView[Title]):
    """What opens soon."""

    reach = Reach.PROFILE
    queryset = Title.objects.none()
    pagination_class = Newest
    serializer_class = ComingSerializer

    @extend_schema(operation_id="titles_coming_soon_list", responses=ComingSerializer(many=True))
    @raises(PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request) -> Response:
        """List what is announced where the viewer is and opens within thirty days, newest in the catalogue first."""
        viewer, at = viewer_of(request), now()
        return _page(self, viewer, titles.coming_soon(viewer, at), at, representations.coming)


class LeavingView(generics.GenericAPIView[Title]):
    """What goes soon."""

    reach = Reach.PROFILE
    queryset = Title.objects.none()
    pagination_class = Newest
    serializer_class = CardSerializer

    @extend_schema(operation_id="titles_leaving_soon_list", responses=CardSerializer(many=True))
    @raises(PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request) -> Response:
        """List what can be watched now and within thirty days no more, newest in the catalogue first."""
        viewer, at = viewer_of(request), now()
        return _page(self, viewer, titles.leaving_soon(viewer, at), at, representations.card)


class WithdrawnView(generics.GenericAPIView[Title]):
    """Titles that are gone."""

    reach = Reach.PROFILE
    queryset = Title.objects.none()
    pagination_class = OldestWithdrawn
    serializer_class = WithdrawnSerializer

    @extend_schema(
        operation_id="titles_withdrawn_list", parameters=[WithdrawnParameters], responses=WithdrawnSerializer(many=True)
    )
    @raises(PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request) -> Response:
        """List the titles withdrawn since an instant, in the order in which they went: what an app has kept of them must go.

        Nothing is missed by who begins with `since` once, and from then on asks at the last answer's `later`.
        """
        since = None
        # A cursor stands behind all that was told: from when on does not matter any more.
        if OldestWithdrawn.cursor_query_param not in request.query_params:
            wanted = WithdrawnParameters(data=request.query_params.dict())
            wanted.is_valid(raise_exception=True)
            since = wanted.validated_data["since"]
        end = transactions.first_open()
        pages = OldestWithdrawn(end)
        found = pages.paginate_queryset(availability.tombstones(end, since), request, self)
        gone = [representations.withdrawn(title) for title in found]
        return _answer(request, viewer_of(request), pages.get_paginated_response(gone).data)


class EpisodesView(generics.GenericAPIView[Title]):
    """Episodes of a series or a season."""

    reach = Reach.PROFILE
    queryset = Title.objects.none()
    pagination_class = InOrder
    serializer_class = EpisodeSerializer

    @extend_schema(
        operation_id="titles_episodes_list", parameters=[EpisodesParameters], responses=EpisodeSerializer(many=True)
    )
    @raises(titles.TitleNotFound, PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request, title_id: UUID) -> Response:
        """List the episodes in the order of release; `season` names one of a series' seasons by its number."""
        wanted = EpisodesParameters(data=request.query_params.dict())
        wanted.is_valid(raise_exception=True)
        viewer, at = viewer_of(request), now()
        found = titles.episodes_of(title_id, viewer, at, season=wanted.validated_data.get("season"))
        page = self.paginate_queryset(found) or []
        parts.fetch(page, since=at)
        episodes = [representations.episode(title, viewer, at) for title in page]
        return _answer(request, viewer, self.get_paginated_response(episodes).data)


class GenresView(APIView):
    """Genres."""

    reach = Reach.PROFILE

    @extend_schema(operation_id="genres_list", responses=GenreSerializer(many=True))
    @raises(PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request) -> Response:
        """List the genres in which the viewer finds something, by name."""
        viewer = viewer_of(request)
        return _answer(request, viewer, [representations.genre(genre) for genre in titles.genres_for(viewer, now())])


class SearchView(APIView):
    """Search."""

    reach = Reach.PROFILE

    @extend_schema(operation_id="search", parameters=[SearchParameters], responses=SearchAnswerSerializer)
    @raises(PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request) -> Response:
        """Find titles by name, people and subjects, and episodes by name; accents do not count, typos are mended."""
        wanted = SearchParameters(data=request.query_params.dict())
        wanted.is_valid(raise_exception=True)
        viewer, at = viewer_of(request), now()
        found = services.answer(
            query=wanted.validated_data["q"], viewer=viewer, now=at, limit=wanted.validated_data["limit"]
        )
        results = [representations.result(title, viewer, at) for title in titles.in_order(found.title_ids, at)]
        return _answer(request, viewer, {"corrected": found.corrected, "results": results})


class SuggestionsView(APIView):
    """Suggestions."""

    reach = Reach.PROFILE

    @extend_schema(
        operation_id="search_suggestions", parameters=[SuggestionsParameters], responses=SuggestionsSerializer
    )
    @raises(PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request) -> Response:
        """Answer names of titles that somebody may be typing, best first; for each letter typed, quickly."""
        wanted = SuggestionsParameters(data=request.query_params.dict())
        wanted.is_valid(raise_exception=True)
        viewer = viewer_of(request)
        found = search.suggest(wanted.validated_data["q"], viewer, now(), limit=wanted.validated_data["limit"])
        return _answer(request, viewer, {"results": [representations.suggestion(item) for item in found]})


class PersonView(APIView):
    """One person."""

    reach = Reach.PROFILE

    @extend_schema(operation_id="people_retrieve", responses=PersonSerializer)
    @raises(titles.PersonNotFound, PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request, person_id: UUID) -> Response:
        """Answer a person and the titles of theirs that the viewer may watch, newest first."""
        viewer, at = viewer_of(request), now()
        person, appearances = titles.person_for(person_id, viewer, at)
        return _answer(request, viewer, representations.person(person, appearances, viewer, at))


def _page(
    view: generics.GenericAPIView[Title], viewer: Viewer, found: QuerySet[Title], at: datetime, card: Callable[[Title, Viewer, datetime], Any]
) -> Response:  # fmt: skip
    """Answer a page of titles as cards."""
    page = view.paginate_queryset(found) or []
    parts.fetch(page, since=at)
    cards = [card(title, viewer, at) for title in page]
    return _answer(view.request, viewer, view.get_paginated_response(cards).data)


_PARAMETERS = {
    *TitleFilters.base_filters,
    Newest.cursor_query_param,
    Newest.page_size_query_param,
    PREVIEW_PARAMETER,
}


def _kept_answer(request: Request, viewer: Viewer, at: datetime, make: Callable[[], Any]) -> Response:
    """Answer what `make` makes, or has made for such a viewer since the catalogue last changed."""
    address = request.build_absolute_uri() if request.query_params else request.build_absolute_uri(request.path)
    found = kept.answer([etags.API_VERSION, address, viewer.key()], viewer.country, at, make)
    return etags.answer(request, key=[viewer.key(), found.digest], body=lambda: orjson.Fragment(found.body))


def _answer(request: Request, viewer: Viewer, body: Any) -> Response:
    """Answer a body that depends on who looks; its tag is made of itself, so it can never be stale.

    Names and ages that a title has from its series change without the title's own revision.
    """
    return etags.answer(request, key=[viewer.key(), body], body=lambda: body)
