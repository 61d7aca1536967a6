"""Fetching what somebody else names: a partner's feed, an image in a feed. Never into the private network.

The host's name is resolved once, its address is checked and then connected to, so that a name which answers
differently the second time leads nowhere; each redirect is checked in the same way (requests-hardened). Size
and time are bounded, also of what unpacks to more than it weighs or trickles for ever.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress

from core.addresses import shown
from core.errors import DomainError

CONNECT_SECONDS = 10
SILENCE_SECONDS = 30
"""How long a server may say nothing."""
MOST_REDIRECTS = 5
_CHUNK = 64 * 1024


class AddressRefused(DomainError):
    code = "address_refused"
    title = "This address is not fetched: it is no http(s) address, or leads into a private network."
    status = 422


class FetchFailed(DomainError):
    code = "fetch_failed"
    title = "The address could not be fetched."
    status = 502


class TooLarge(DomainError):
    code = "fetch_too_large"
    title = "What the address answers is larger than we take."
    status = 502


@dataclass(frozen=True)
class Answer:
    """What a server answered; `is_new` is False when it said that nothing has changed (304)."""

    is_new: bool
    url: str
    """The last address, after redirects."""
    content_type: str
    etag: str
    last_modified: str
    size: int
    """Bytes written."""


def fetch(url: str, *, into: BinaryIO, most: int, seconds: float, headers: Mapping[str, str] | None = None) -> Answer:
    """Write what an address answers into a file: at most `most` bytes, within `seconds`.

    `headers` are sent along, such as If-None-Match; those that authorise are dropped when a redirect leaves the
    host. Raises AddressRefused, TooLarge, FetchFailed (no answer, no 200 or 304, too slow); what was written
    until then is the caller's to discard.
    """
    if not _is_web_address(url):
        raise AddressRefused(f"{shown(url)} is no http(s) address.")
    ends_at = time.monotonic() + seconds
    try:
        with _session() as session, session.get(url, headers=dict(headers or {}), stream=True) as response:
            return _read(response, into, most, ends_at, seconds)
    except InvalidIPAddress as error:
        raise AddressRefused(f"{shown(url)} leads to {error}, which is no public address.") from None
    except (requests.exceptions.InvalidSchema, ValueError) as error:
        # A ValueError is an address that nobody can read: this one, or one that a redirect names.
        raise AddressRefused(f"{shown(url)} cannot be fetched: {type(error).__name__}.") from None
    except (requests.RequestException, OSError) as error:
        raise FetchFailed(f"{shown(url)} cannot be fetched: {type(error).__name__}. Try again later.") from None


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _session() -> HTTPSession:
    session = HTTPSession(
        Config(
            ip_filter_enable=True,
            ip_filter_allow_loopback_ips=settings.OUTBOUND_ALLOW_LOOPBACK,
            never_redirect=False,
            default_timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
            user_agent_override=f"{settings.SITE_NAME} (+{settings.PUBLIC_URL})",
        )
    )
    # A proxy or a .netrc of the machine would lead around the check of addresses.
    session.trust_env = False
    session.max_redirects = MOST_REDIRECTS
    return session


def _read(response: requests.Response, into: BinaryIO, most: int, ends_at: float, seconds: float) -> Answer:
    if response.status_code not in {200, 304}:
        raise FetchFailed(f"{shown(response.url)} answered {response.status_code}.")
    size = 0
    for chunk in response.iter_content(_CHUNK):
        size += len(chunk)
        if size > most:
            raise TooLarge(f"{shown(response.url)} answers more than {most:,} bytes.")
        if time.monotonic() > ends_at:
            raise FetchFailed(f"{shown(response.url)} took longer than {seconds:g} seconds.")
        into.write(chunk)
    headers = response.headers
    return Answer(
        is_new=response.status_code == 200,
        url=response.url,
        content_type=headers.get("Content-Type", ""),
        etag=headers.get("ETag", ""),
        last_modified=headers.get("Last-Modified", ""),
        size=size,
    )
