"""Filters of the list of titles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import django_filters
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework.request import Request

from accounts.maturity import Audience
from catalog.api.viewers import viewer_of
from catalog.models import Title
from catalog.models.titles import Kind, TitleQuerySet
from catalog.selectors import titles as selectors


@extend_schema_field(OpenApiTypes.BOOL)
class TrueOrFalse(django_filters.TypedChoiceFilter):
    """`true` or `false`; a BooleanFilter takes any word it does not know for "do not filter"."""

    def __init__(self, **options: Any) -> None:
        words = [(word, word) for word in ("true", "false")]
        super().__init__(choices=words, coerce=lambda word: word == "true", **options)


class TitleFilters(django_filters.FilterSet):
    kind = django_filters.ChoiceFilter(
        choices=[(kind.value, kind.label) for kind in (Kind.MOVIE, Kind.SERIES, Kind.SPECIAL)]
    )
    genre = django_filters.CharFilter(
        method="with_genre", label="A genre's slug, as /genres lists them; those below it in the tree count."
    )
    language = django_filters.CharFilter(
        field_name="original_language", lookup_expr="iexact", label="Original language, BCP 47."
    )
    country = django_filters.CharFilter(method="made_in", label="Country of production, ISO 3166-1 alpha-2.")
    year_from = django_filters.NumberFilter(
        field_name="release_date", lookup_expr="year__gte", min_value=1, max_value=9999, label="First year of release."
    )
    year_to = django_filters.NumberFilter(
        field_name="release_date", lookup_expr="year__lte", min_value=1, max_value=9999, label="Last year of release."
    )
    max_age = django_filters.NumberFilter(
        method="for_age",
        min_value=0,
        max_value=99,
        label="Only what is rated, and may be watched at this age where the viewer is.",
    )
    kids = TrueOrFalse(field_name="made_for_kids", label="Made for children.")

    class Meta:
        model = Title
        fields: list[str] = []

    def with_genre(self, titles: QuerySet[Title], name: str, slug: Any) -> QuerySet[Title]:
        return selectors.of_genres(titles, [slug])

    def made_in(self, titles: QuerySet[Title], name: str, code: Any) -> QuerySet[Title]:
        return titles.filter(countries__contains=[code.upper()])

    def for_age(self, titles: TitleQuerySet, name: str, age: Any) -> QuerySet[Title]:
        """Leave out what a profile of this age would not see, and what nobody has rated."""
        viewer = replace(viewer_of(cast(Request, self.request)), audience=Audience(int(age), allows_unrated=False))
        return titles.for_audience(viewer, standing_alone=True)
