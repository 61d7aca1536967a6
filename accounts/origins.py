"""Where a request comes from, as the record of acts keeps it."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request

from accounts import rules
from accounts.services.audit import NOWHERE, Origin
from core import geo


def origin_of(request: HttpRequest | Request | None) -> Origin:
    """Answer address, rough place and program of a request; nowhere for what no request asked for."""
    if request is None:
        return NOWHERE
    address = geo.client_address(request)
    return Origin(
        address=str(address) if address else None,
        place=place_of(request),
        user_agent=request.META.get("HTTP_USER_AGENT", ""),
    )


def place_of(request: HttpRequest | Request) -> str:
    """Answer roughly where a request comes from, as it is shown."""
    place = geo.place_of(geo.client_address(request))
    return rules.place_name(place.city, place.country)
