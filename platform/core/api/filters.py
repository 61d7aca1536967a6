"""Filters of lists by query parameters (django-filter)."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.views import APIView


class FilterBackend(DjangoFilterBackend):
    """Refuses an empty parameter, which django-filter takes for one that was not sent.

    Whoever sends `?genre=` wants a genre, and would be answered everything.
    """

    def get_filterset_kwargs(self, request: HttpRequest, queryset: QuerySet[Any], view: APIView) -> dict[str, Any]:
        """Answer what the filter set is made of."""
        filterset = self.get_filterset_class(view, queryset)
        filters = filterset.base_filters if filterset else {}
        empty = [name for name in filters if request.GET.get(name) == ""]
        if empty:
            message = ErrorDetail(_("Give a value, or leave this parameter out."), "blank")
            raise ValidationError({name: [message] for name in empty})
        return super().get_filterset_kwargs(request, queryset, view)
