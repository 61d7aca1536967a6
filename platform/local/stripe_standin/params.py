"""Stripe's form parameters: decoding `a[b][0]=c`, and checking them against what an endpoint takes.

An endpoint declares a dict of parsers by name. A parser turns what was sent into a value or raises
InvalidParameter, worded and coded as Stripe does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from local.stripe_standin.errors import InvalidParameter

Parser = Callable[[Any, str], Any]
MAX_TEXT = 5000


@dataclass(frozen=True)
class Required:
    """A parameter that must be sent."""

    parser: Parser


Schema = Mapping[str, Parser | Required]


def decode(encoded: str) -> dict[str, Any]:
    """Answer nested dicts and lists of strings."""
    root: dict[str, Any] = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        name, rest = key.partition("[")[::2]
        parts = [name, *re.findall(r"([^\[\]]*)\]", rest)]
        node = root
        for part in parts[:-1]:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                raise InvalidParameter(f"Invalid parameters: '{name}' is given in two forms.", param=name)
            node = child
        last = parts[-1] or str(len(node))
        if isinstance(node.get(last), dict):
            raise InvalidParameter(f"Invalid parameters: '{name}' is given in two forms.", param=name)
        node[last] = value
    return {name: _with_lists(value) for name, value in root.items()}


def _with_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if all(key.isdecimal() for key in node):
        return [_with_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _with_lists(value) for key, value in node.items()}


def check(schema: Schema, given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Answer the parsed parameters that were sent; raises InvalidParameter for the first fault."""
    parsed = {}
    for name, raw in given.items():
        path = f"{prefix}[{name}]" if prefix else name
        declared = schema.get(name)
        if declared is None:
            raise InvalidParameter(f"Received unknown parameter: {path}", code="parameter_unknown", param=path)
        parser = declared.parser if isinstance(declared, Required) else declared
        parsed[name] = parser(raw, path)
    for name, declared in schema.items():
        if isinstance(declared, Required) and name not in given:
            path = f"{prefix}[{name}]" if prefix else name
            raise InvalidParameter(f"Missing required param: {path}.", code="parameter_missing", param=path)
    return parsed


def text(maximum: int = MAX_TEXT) -> Parser:
    """Text that is not empty."""

    def parse(raw: Any, path: str) -> str:
        if not isinstance(raw, str):
            raise InvalidParameter(f"Invalid string: {raw}", param=path)
        if raw == "":
            raise InvalidParameter(
                f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a "
                f"parameter; however '{path}' cannot be unset. You should remove '{path}' from your request or "
                "supply a non-empty value.",
                code="parameter_invalid_empty",
                param=path,
            )
        if len(raw) > maximum:
            raise InvalidParameter(
                f"Invalid string: {raw[:20]}...; must be at most {maximum} characters",
                code="parameter_invalid_string",
                param=path,
            )
        return raw

    return parse


def unsettable(parser: Parser) -> Parser:
    """What an empty string unsets."""
    return lambda raw, path: None if raw == "" else parser(raw, path)


def integer(minimum: int | None = None, maximum: int | None = None) -> Parser:
    """A whole number within bounds, both inclusive."""

    def parse(raw: Any, path: str) -> int:
        if not isinstance(raw, str) or not re.fullmatch(r"-?[0-9]{1,18}", raw):
            raise InvalidParameter(f"Invalid integer: {raw}", code="parameter_invalid_integer", param=path)
        value = int(raw)
        if minimum is not None and value < minimum:
            raise InvalidParameter(
                f"This value must be greater than or equal to {minimum}.", code="parameter_invalid_integer", param=path
            )
        if maximum is not None and value > maximum:
            raise InvalidParameter(
                f"This value must be less than or equal to {maximum}.", code="parameter_invalid_integer", param=path
            )
        return value

    return parse


def boolean(raw: Any, path: str) -> bool:
    """`true` or `false`."""
    if raw not in {"true", "false"}:
        raise InvalidParameter(f"Invalid boolean: {raw}", param=path)
    return bool(raw == "true")


def choice(*options: str) -> Parser:
    """One of the options."""

    def parse(raw: Any, path: str) -> str:
        if raw not in options:
            raise InvalidParameter(f"Invalid {path}: must be one of {', '.join(options)}", param=path)
        return str(raw)

    return parse


def hash_of(schema: Schema) -> Parser:
    """A nested group of parameters; an empty string is an empty group."""

    def parse(raw: Any, path: str) -> dict[str, Any]:
        if raw == "":
            return {}
        if not isinstance(raw, dict):
            raise InvalidParameter(f"Invalid object: {raw}", param=path)
        return check(schema, raw, path)

    return parse


def array_of(parser: Parser) -> Parser:
    """A list; an empty string is an empty one."""

    def parse(raw: Any, path: str) -> list[Any]:
        if raw == "":
            return []
        if not isinstance(raw, list):
            raise InvalidParameter("Invalid array", param=path)
        return [parser(item, f"{path}[{index}]") for index, item in enumerate(raw)]

    return parse


def one_of(first: Parser, second: Parser) -> Parser:
    """A group where a group was sent, else a plain value."""
    return lambda raw, path: second(raw, path) if isinstance(raw, dict) else first(raw, path)


def anything(raw: Any, path: str) -> Any:
    """A parameter that Stripe takes and the stand-in has no use for."""
    return raw


def metadata(raw: Any, path: str) -> dict[str, str | None]:
    """Up to 50 keys of 40 characters with values of 500. An empty value unsets its key, an empty string all."""
    if raw == "":
        return {"": None}
    if isinstance(raw, list):
        raw = {str(index): value for index, value in enumerate(raw)}
    if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
        raise InvalidParameter("Invalid metadata: it must be a set of key-value pairs of strings.", param=path)
    for key, value in raw.items():
        if len(key) > 40:
            raise InvalidParameter(f"Metadata keys can have up to 40 characters: {key}", param=path)
        if len(value) > 500:
            raise InvalidParameter(
                f"Metadata values can have up to 500 characters, but you passed in {len(value)} characters.",
                param=f"{path}[{key}]",
            )
    if len(raw) > 50:
        raise InvalidParameter(f"Metadata can have up to 50 keys, but you passed in {len(raw)}.", param=path)
    return {key: value or None for key, value in raw.items()}


def merge_metadata(present: Mapping[str, str], change: Mapping[str, str | None]) -> dict[str, str]:
    """Answer the metadata after a change as `metadata` parsed it."""
    if "" in change:
        return {}
    return {key: value for key, value in {**present, **change}.items() if value is not None}


RANGE = one_of(integer(), hash_of({"gt": integer(), "gte": integer(), "lt": integer(), "lte": integer()}))
"""A moment, or bounds around it, in Unix seconds."""

EXPAND: Schema = {"expand": array_of(text())}

PAGE: Schema = {
    **EXPAND,
    "limit": integer(1, 100),
    "starting_after": text(),
    "ending_before": text(),
}
"""What every list takes."""

ADDRESS = hash_of(
    {name: unsettable(text()) for name in ("city", "country", "line1", "line2", "postal_code", "state")},
)
