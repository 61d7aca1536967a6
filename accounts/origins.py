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
    place = geo.place_of(address)
    return Origin(
        address=str(address) if address else None,
        place=rules.place_name(place.city, place.country),
        user_agent=request.META.get("HTTP_USER_AGENT", ""),
    )
