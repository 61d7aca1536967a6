"""Endpoints of what editors arrange: rows, and whole collections."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import current_profile
from accounts.api.permissions import Reach
from catalog import rules
from catalog.api import representations
from catalog.api.serializers import CardSerializer
from catalog.api.viewers import viewer_of
from catalog.rules import Viewer
from catalog.selectors import collections
from catalog.services import kept
from core.api import etags
from core.api.problems import raises
from core.clock import now
from core.geo import PreviewCountryUnknown, PreviewForbidden


class RowSerializer(serializers.Serializer[Any]):
    """A collection and the titles of it that this viewer may watch."""

    slug = serializers.CharField(help_text="For /collections/{slug}, which answers all of it.")
    name = serializers.CharField()
    titles = CardSerializer(many=True)


class RowsView(APIView):
    """Editors' rows."""

    reach = Reach.PROFILE

    @extend_schema(operation_id="rows_list", responses=RowSerializer(many=True))
    @raises(PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request) -> Response:
        """List the rows that editors have placed before this viewer now, each with its first titles."""
        viewer, at = viewer_of(request), now()
        profile = current_profile(request)
        is_kids = bool(profile and profile.is_kids)

        def rows() -> Any:
            return [_row(row, viewer, at) for row in collections.rows_for(viewer, at, is_kids=is_kids)]

        key = [etags.API_VERSION, "rows", settings.PUBLIC_URL, viewer.key(), is_kids]
        found = kept.answer(key, viewer.country, at, rows, ends=lambda: collections.next_row_boundary(at))
        return etags.answer(request, key=[viewer.key(), found.digest], body=lambda: orjson.Fragment(found.body))


class CollectionView(APIView):
    """One collection."""

    reach = Reach.PROFILE

    @extend_schema(operation_id="collections_retrieve", responses=RowSerializer)
    @raises(collections.CollectionNotFound, PreviewForbidden, PreviewCountryUnknown)
    @etags.conditional
    def get(self, request: Request, slug: str) -> Response:
        """Answer a collection with everything in it that this viewer may watch, in its order."""
        viewer, at = viewer_of(request), now()
        body = _row(collections.collection_for(slug, viewer, at), viewer, at)
        return etags.answer(request, key=[viewer.key(), body], body=lambda: body)


def _row(row: collections.Row, viewer: Viewer, at: datetime) -> dict[str, Any]:
    names: Mapping[str, str] = row.collection.names
    best = rules.best_language(names, rules.language_chain(viewer.languages, "", viewer.country))
    return {
        "slug": row.collection.slug,
        "name": names[best] if best else row.collection.slug,
        "titles": [representations.card(title, viewer, at) for title in row.titles],
    }
