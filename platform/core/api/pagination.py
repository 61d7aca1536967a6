"""Lists in pages that stay put while rows come and go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.signing import BadSignature, Signer
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from core.errors import DomainError

if TYPE_CHECKING:
    # which itself imports this module, as DRF's settings name it
    from rest_framework.views import APIView

_LONGEST_CURSOR = 2_000


class InvalidCursor(DomainError):
    """The cursor was changed, or belongs to another list or order; begin again without one."""

    code = "invalid_cursor"
    title = "This cursor does not belong to this list. Begin at its first page, without a cursor."
    status = 400


class CursorPagination(BasePagination):
    """Pages by the values that the list is ordered by, in total order.

    The order is the first one given of: `ordering` of the paginator, of the view, of the QuerySet
    (by names, `-` before one turns it); the primary key is appended, so that no two rows share a
    place. Its columns must not be null. Unlike DRF's class, whose pages repeat or skip rows after a
    thousand equal values in the first column, and unlike page numbers, no row is met twice or missed
    because another came or went, and the hundredth page costs no more than the first.

    A cursor is opaque, signed, and good for one list in one order; a changed one raises InvalidCursor.
    """

    ordering: ClassVar[str | Sequence[str]] = ()
    page_size: ClassVar[int] = 50
    max_page_size: ClassVar[int] = 100
    cursor_query_param = "cursor"
    page_size_query_param = "page_size"

    def paginate_queryset(  # type: ignore[override]  # a sequence has no columns to go by
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        """Answer the rows of the page that the request asks for; one query."""
        self._request = request
        self._order = self._total_order(queryset, view)
        size = self._page_size(request)
        self._signer = Signer(salt=f"cursor:{request.path}:{','.join(self._order)}")
        after, backwards = self._position(request.query_params.get(self.cursor_query_param))
        order = [_reversed(name) for name in self._order] if backwards else self._order
        if after is not None:
            queryset = queryset.filter(_beyond(after, order))
        rows = list(queryset.order_by(*order)[: size + 1])
        more, rows = len(rows) > size, rows[:size]
        if backwards:
            rows.reverse()
        # Where a reader came from there was a row, which may be gone by now: an empty page is no error.
        has_next, has_previous = (True, more) if backwards else (more, after is not None)
        self._next = self._link(rows[-1], backwards=False) if rows and has_next else None
        self._previous = self._link(rows[0], backwards=True) if rows and has_previous else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        """Answer the page with links to its neighbours."""
        return Response({"next": self._next, "previous": self._previous, "results": data})

    def _total_order(self, queryset: QuerySet[Any], view: APIView | None) -> list[str]:
        wanted: Any = self.ordering or getattr(view, "ordering", ()) or queryset.query.order_by
        order = [wanted] if isinstance(wanted, str) else list(wanted)
        if not all(isinstance(name, str) for name in order):
            raise TypeError("Order paginated lists by names of fields or annotations, not by expressions.")
        primary_key = queryset.model._meta.pk.name
        if not {name.lstrip("-") for name in order} & {"pk", primary_key}:
            order.append(primary_key)
        return order

    def _page_size(self, request: Request) -> int:
        wanted = request.query_params.get(self.page_size_query_param)
        if wanted is None:
            return self.page_size
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 10 and 1 <= int(wanted) <= self.max_page_size):
            message = _("Give a number from 1 to %(most)d.") % {"most": self.max_page_size}
            raise ValidationError({self.page_size_query_param: [message]}, "out_of_range")
        return int(wanted)

    def _position(self, cursor: str | None) -> tuple[list[Any] | None, bool]:
        if cursor is None:
            return None, False
        try:
            if len(cursor) > _LONGEST_CURSOR:
                raise BadSignature
            after, backwards = self._signer.unsign_object(cursor)
        except BadSignature:
            raise InvalidCursor from None
        return after, backwards

    def _link(self, row: Any, *, backwards: bool) -> str:
        values = [_plain(_value(row, name.lstrip("-"))) for name in self._order]
        cursor = self._signer.sign_object([values, backwards])
        return replace_query_param(self._request.build_absolute_uri(), self.cursor_query_param, cursor)

    # ------------------------------------------------- for the API's description

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**link, "description": "The next page; null on the last."},
                "previous": {**link, "description": "The page before; null on the first."},
                "results": {**schema, "maxItems": self.max_page_size},
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Describe the query parameters."""
        return [
            {
                "name": self.cursor_query_param,
                "in": "query",
                "required": False,
                "description": "Taken from `next` or `previous` of a page.",
                "schema": {"type": "string", "maxLength": _LONGEST_CURSOR},
            },
            {
                "name": self.page_size_query_param,
                "in": "query",
                "required": False,
                "description": "Results in a page.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": self.max_page_size,
                    "default": self.page_size,
                },
            },
        ]


def _reversed(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _value(row: Model | Mapping[str, Any], name: str) -> Any:
    if isinstance(row, Mapping):
        return row[name]
    value: Any = row
    for step in name.split("__"):
        value = getattr(value, step)
    return value


def _plain(value: Any) -> Any:
    """Answer a value as JSON carries it and a lookup takes it back, to the last microsecond."""
    if value is None:
        raise TypeError("A column that a paginated list is ordered by must not be null.")
    return value if isinstance(value, str | int | float) else str(value)


def _beyond(after: Iterable[Any], order: Sequence[str]) -> Q:
    """Answer the condition of the rows that come later in this order than these values."""
    places = list(zip(order, after, strict=True))
    beyond = Q()
    for name, value in reversed(places):
        column, comparison = (name[1:], "lt") if name.startswith("-") else (name, "gt")
        here = Q(**{f"{column}__{comparison}": value})
        beyond = here | (Q(**{column: value}) & beyond) if beyond else here
    # Implied by the rest; written out, an index on the first column finds the beginning.
    first, value = places[0]
    column, comparison = (first[1:], "lte") if first.startswith("-") else (first, "gte")
    return Q(**{f"{column}__{comparison}": value}) & beyond
