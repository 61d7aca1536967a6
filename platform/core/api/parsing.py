"""JSON in, by orjson, and strictly: what passes here can be stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

# PostgreSQL's bigint. orjson turns larger integers into floats, which would lose digits unnoticed.
_LIMIT = 2**63


def refuse_unstorable(value: Any) -> None:
    """Raise ParseError for what no column takes: NUL characters, and numbers beyond 64 bits."""
    pending = [value]
    while pending:
        match pending.pop():
            case str() as text:
                if "\0" in text:
                    raise ParseError("The body holds a NUL character (U+0000); leave it out.")
            case dict() as members:
                pending += [*members, *members.values()]
            case list() as items:
                pending += items
            case bool() | None:
                pass
            # A float at the very limit may have been an integer beyond it.
            case float() as number if -_LIMIT < number < _LIMIT:
                pass
            case int() as number if -_LIMIT <= number < _LIMIT:
                pass
            case _:
                raise ParseError("A number in the body is out of range: from -2^63 up to, and without, 2^63.")


class JSONParser(BaseParser):
    """Reads bodies as RFC 8259 has them: UTF-8, no NaN, no lone surrogates, no more than 1,024 levels deep.

    Of members with the same name the last one counts. drf-orjson-renderer's parser answers 500 for
    an unknown charset and reads bodies of any size.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Answer the body's value; raises ParseError, UnsupportedMediaType and RequestDataTooBig."""
        _, parameters = parse_header_parameters(media_type or "")
        if parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise UnsupportedMediaType(media_type or self.media_type)
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise RequestDataTooBig(f"A body has at most {limit:,} bytes.")
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from error
        refuse_unstorable(value)
        return value
