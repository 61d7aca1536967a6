"""Addresses of others, as people may read them."""

from __future__ import annotations

from urllib.parse import urlsplit


def shown(url: str) -> str:
    """Answer an address as it may be shown: without the name and password, and the query, that may be in it."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "What is named here"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
