"""Stripe's wire format: nested form bodies in, errors out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

Params = dict[str, Any]

Kind = Callable[[Any, str], Any]
"""Turns a parameter as decoded into its value, or refuses it; the second argument is its name in errors."""

DEEPEST = 8
"""How far parameters nest; Stripe's own go to five."""

# docs.stripe.com/api/metadata
METADATA_KEYS = 50
METADATA_NAME = 40
METADATA_VALUE = 500


class StripeError(Exception):
    """An error answer: HTTP status and the members of Stripe's `error` object (docs.stripe.com/api/errors).

    `stored` says whether an idempotency key remembers it: refused parameters and rate limits are not
    remembered, because nothing was executed.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        stored: bool = False,
        **members: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.stored = stored
        self.body = {
            "type": kind,
            "message": message,
            **{name: value for name, value in members.items() if value is not None},
        }
        if code := members.get("code"):
            self.body["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def missing(kind: str, object_id: str, param: str = "id") -> StripeError:
    """Answer the error for an id that names nothing: 404 for one in the address, 400 for one in a parameter."""
    return StripeError(
        f"No such {kind}: '{object_id}'", status=404 if param == "id" else 400, code="resource_missing", param=param
    )


# ------------------------------------------------ decoding


def decode(text: str) -> Params:
    """Decode `a[b]=1&c[0]=2&d[]=3` into nested dicts and lists of strings."""
    root: Params = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        parts = [part.strip("[]") for part in re.findall(r"[^\[\]]+|\[[^\[\]]*\]", key)][:DEEPEST]
        node = root
        for position, part in enumerate(parts):
            name = part or str(len(node))
            if position == len(parts) - 1:
                node[name] = value
            else:
                following = node.setdefault(name, {})
                if not isinstance(following, dict):
                    raise StripeError(f"Invalid {key}: both a value and an object.", param=key)
                node = following
    return {name: _lists(value) for name, value in root.items()}


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    inner = {name: _lists(value) for name, value in node.items()}
    if inner and all(name.isdecimal() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


# ------------------------------------------------ kinds of parameters


def text(value: Any, where: str) -> str:
    """Any string; an empty one unsets."""
    if not isinstance(value, str):
        raise StripeError(f"Invalid string: {value}", param=where)
    return value


def integer(value: Any, where: str) -> int:
    """A whole number."""
    if not isinstance(_given(value, where), str) or not re.fullmatch(r"-?[0-9]{1,15}", value):
        raise StripeError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=where)
    return int(value)


def boolean(value: Any, where: str) -> bool:
    """`true` or `false`."""
    if _given(value, where) not in ("true", "false"):
        raise StripeError(f"Invalid boolean: {value}", param=where)
    return bool(value == "true")


def texts(value: Any, where: str) -> list[str]:
    """A list of strings."""
    if not isinstance(value, list):
        raise StripeError("Invalid array", param=where)
    return [text(entry, f"{where}[{position}]") for position, entry in enumerate(value)]


def one_of(*options: str) -> Kind:
    """One of some words."""

    def read(value: Any, where: str) -> str:
        if _given(value, where) not in options:
            raise StripeError(f"Invalid {where}: must be one of {', '.join(options)}", param=where)
        return str(value)

    return read


def members(**kinds: Kind) -> Kind:
    """An object with these members and no others."""
    return lambda value, where: read_params(_hash(value, where), kinds, where)


def anything(value: Any, where: str) -> Any:
    """An object that is kept as it is."""
    return _hash(value, where)


def metadata(value: Any, where: str) -> Any:
    """Names and values within Stripe's limits; an empty string removes all."""
    if value == "":
        return value
    for name, content in _hash(value, where).items():
        if not isinstance(content, str):
            raise StripeError(f"Invalid string: {content}", param=f"{where}[{name}]")
        if len(name) > METADATA_NAME:
            raise StripeError(f"Metadata keys have at most {METADATA_NAME} characters: {name}", param=where)
        if len(content) > METADATA_VALUE:
            raise StripeError(
                f"Metadata values have at most {METADATA_VALUE} characters; {name} has {len(content)}.", param=where
            )
    return value


def instants(value: Any, where: str) -> dict[str, int]:
    """A time in Unix seconds, or a range of them: comparison operators with their bounds."""
    operators = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    if isinstance(value, str):
        return {"=": integer(value, where)}
    bounds = read_params(_hash(value, where), dict.fromkeys(operators, integer), where)
    return {operators[name]: bound for name, bound in bounds.items()}


def read_params(params: Params, kinds: dict[str, Kind], within: str = "") -> Params:
    """Answer parameters with their values; refuses those that the endpoint does not have."""
    read = {}
    for name, value in params.items():
        where = f"{within}[{name}]" if within else name
        if name not in kinds:
            raise StripeError(f"Received unknown parameter: {where}", code="parameter_unknown", param=where)
        read[name] = kinds[name](value, where)
    return read


def require(params: Params, *names: str, within: str = "") -> None:
    """Refuse a request that lacks a parameter."""
    for name in names:
        if params.get(name) in (None, "", [], {}):
            where = f"{within}[{name}]" if within else name
            raise StripeError(f"Missing required param: {where}.", code="parameter_missing", param=where)


def merge_metadata(current: dict[str, str], change: dict[str, str] | str | None) -> dict[str, str]:
    """Apply a metadata parameter: keys merge, an empty value removes its key, an empty string removes all."""
    if change is None:
        return current
    if isinstance(change, str):
        return {}
    merged = {name: value for name, value in (current | change).items() if value != ""}
    if len(merged) > METADATA_KEYS:
        raise StripeError(f"Metadata has at most {METADATA_KEYS} keys; this has {len(merged)}.", param="metadata")
    return merged


def _given(value: Any, where: str) -> Any:
    if value == "":
        raise StripeError(
            f"You passed an empty string for '{where}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{where}' cannot be unset.",
            code="parameter_invalid_empty",
            param=where,
        )
    return value


def _hash(value: Any, where: str) -> Params:
    if not isinstance(value, dict):
        raise StripeError(f"Invalid object: {value}", param=where)
    return value
