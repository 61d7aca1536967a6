"""JSON out, by orjson."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer


def dumps(data: Any) -> bytes:
    """Write JSON: instants in RFC 3339 with Z, ids as text, decimals as text so that no digit is lost.

    Raises TypeError for what JSON cannot say, integers beyond 64 bits included.
    """
    return orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, Promise | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON.")


class JSONRenderer(BaseRenderer):
    """Renders answers.

    drf-orjson-renderer's turns every object it does not know into null; this one raises.
    """

    media_type = "application/json"
    format = "json"
    # JSON is UTF-8 (RFC 8259 section 8.1); its media type has no charset parameter.
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Write an answer's body; none for an answer without content."""
        return b"" if data is None else dumps(data)
