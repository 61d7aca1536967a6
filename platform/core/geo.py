"""Where a request comes from: the country that decides what may be shown, and the rough place.

A place is a guess from an address and never proves where a person is. What a person pays, and in
which currency, follows the billing country, which is another thing (see billing).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from os import PathLike, stat
from typing import TYPE_CHECKING, Any

import maxminddb
import pycountry
import structlog
from django.conf import settings

from core.errors import DomainError
from core.proxies import Address, parse_address

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

logger = structlog.get_logger(__name__)

PREVIEW_PARAMETER = "preview_country"
PREVIEW_PERMISSION = "core.preview_country"


class Source(StrEnum):
    """What a country is known from."""

    PREVIEW = "preview"
    """A member of staff looks at the service as viewers in that country do."""
    CDN = "cdn"
    """The header of the content delivery network in front of us."""
    DATABASE = "database"
    """The operator's database of addresses."""
    DEFAULT = "default"
    """Nothing is known: the operator's default."""


@dataclass(frozen=True)
class Country:
    """A country (ISO 3166-1 alpha-2) and what it is known from."""

    code: str
    source: Source


@dataclass(frozen=True)
class Place:
    """What the databases know of an address; None where they know nothing.

    `region` is an ISO 3166-2 subdivision (`GB-ENG`), latitude and longitude are degrees, accurate to
    `accuracy_km`, and `asn` is the number of the network it belongs to.
    """

    country: str | None = None
    region: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_km: int | None = None
    asn: int | None = None
    network: str | None = None


class PreviewForbidden(DomainError):
    """Somebody without the right asked for another country's view."""

    code = "preview_forbidden"
    title = "Only staff who may preview other countries can choose one."
    status = 403


class PreviewCountryUnknown(DomainError):
    """The country to preview is none."""

    code = "preview_country_unknown"
    title = "The country to preview is not an ISO 3166-1 code of two letters, such as DE."
    status = 400


def viewer_country(request: HttpRequest | Request) -> Country:
    """Answer the country whose catalogue this request sees.

    Views ask here and nowhere else. No parameter of a client changes it, save `preview_country` of a
    member of staff with the permission `core.preview_country`; raises PreviewForbidden for anybody
    else who sends it, and PreviewCountryUnknown if it names no country.
    """
    preview = request.GET.get(PREVIEW_PARAMETER)
    if preview is not None:
        return _previewed(request, preview)
    header = settings.CDN_COUNTRY_HEADER
    if header and is_country(code := request.META.get(header, "").upper()):
        return Country(code, Source.CDN)
    return country_of(client_address(request))


def country_of(address: Address | None) -> Country:
    """Answer the country of an address by the database, else the operator's default."""
    code = _code(_record(settings.GEO_DATABASE, address))
    return Country(code, Source.DATABASE) if code else Country(settings.DEFAULT_COUNTRY, Source.DEFAULT)


def place_of(address: Address | None) -> Place:
    """Answer what the databases know of where an address is; nothing if there is none of them."""
    record = _record(settings.GEO_DATABASE, address)
    network = _record(settings.GEO_ASN_DATABASE, address)
    location = record.get("location", {})
    country = _code(record)
    subdivisions = record.get("subdivisions", [])
    region = subdivisions[0].get("iso_code") if subdivisions else None
    return Place(
        country=country,
        region=f"{country}-{region}" if country and region else None,
        city=record.get("city", {}).get("names", {}).get("en"),
        latitude=location.get("latitude"),
        longitude=location.get("longitude"),
        accuracy_km=location.get("accuracy_radius"),
        asn=network.get("autonomous_system_number"),
        network=network.get("autonomous_system_organization"),
    )


def client_address(request: HttpRequest | Request) -> Address | None:
    """Answer the client's address, which core.middleware.ClientAddress has found; None on a unix socket."""
    return parse_address(request.META.get("REMOTE_ADDR", ""))


def is_country(code: str) -> bool:
    """Answer whether this is a country's code: ISO 3166-1 alpha-2, and XK, which Kosovo goes by."""
    return code in country_codes()


@cache
def country_codes() -> frozenset[str]:
    """Answer every country's code."""
    return frozenset({country.alpha_2 for country in pycountry.countries} | {"XK"})


def _previewed(request: HttpRequest | Request, code: str) -> Country:
    user = request.user
    if not (user.is_authenticated and user.is_staff and user.has_perm(PREVIEW_PERMISSION)):
        raise PreviewForbidden
    if not is_country(code := code.upper()):
        raise PreviewCountryUnknown
    return Country(code, Source.PREVIEW)


class _Database:
    """A MaxMind DB file, mapped into memory, and opened anew when another file takes its place.

    Replace it by renaming the new file over it, as geoipupdate does; a file that is written in place
    is being read meanwhile.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._reader: maxminddb.Reader | None = None

    def get(self, address: Address) -> dict[str, Any]:
        """Answer what is recorded of an address, if there is anything."""
        reader = self._current()
        if reader is None:
            return {}
        try:
            record = reader.get(address)
        except ValueError:  # an IPv6 address, and a database of IPv4 addresses
            return {}
        return record if isinstance(record, dict) else {}

    def _current(self) -> maxminddb.Reader | None:
        try:
            status = stat(self._path)
        except OSError:
            self._seen = self._reader = None
            return None
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if version != self._seen:
            with self._lock:
                if version != self._seen:
                    self._open()
                    self._seen = version
        return self._reader

    def _open(self) -> None:
        # The reader before stays open until nobody uses it: a closed one would fail them.
        try:
            self._reader = maxminddb.open_database(self._path)
        except (maxminddb.InvalidDatabaseError, OSError):
            logger.exception("geo_database_unreadable", path=str(self._path))


@cache
def _database(path: str) -> _Database:
    return _Database(path)


def _record(path: str, address: Address | None) -> dict[str, Any]:
    if not path or address is None or not address.is_global:
        return {}
    return _database(path).get(address)


def _code(record: dict[str, Any]) -> str | None:
    code = record.get("country", {}).get("iso_code")
    return code if isinstance(code, str) and is_country(code) else None
