"""Filters of lists by query parameters (django-filter)."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView


class FilterBackend(DjangoFilterBackend):
    """Refuses an empty parameter, which django-filter takes for one that was not sent.

    Whoever sends `?genre=` wants a genre, and would be answered everything.
    """

    def get_filterset_kwargs(self, request: Request, queryset: QuerySet[Any], view: APIView) -> dict[str, Any]:
        """Answer what the filter set is made of."""
        filters = self.get_filterset_class(view, queryset).base_filters
        empty = [name for name in filters if request.query_params.get(name) == ""]
        if empty:
            message = ErrorDetail(_("Give a value, or leave this parameter out."), "blank")
            raise ValidationError({name: [message] for name in empty})
        return super().get_filterset_kwargs(request, queryset, view)  # type: ignore[no-any-return]  # of an untyped library
