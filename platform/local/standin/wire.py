"""Stripe's wire format: nested form bodies in, errors out."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

Params = dict[str, Any]

DEEPEST = 8
"""How far parameters nest; Stripe's own go to five."""


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


def missing(kind: str, object_id: str, param: str = "id") -> StripeError:
    """Answer the error for an id that names nothing."""
    return StripeError(f"No such {kind}: '{object_id}'", status=404, code="resource_missing", param=param)


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


def refuse_unknown(params: Params, allowed: frozenset[str]) -> None:
    """Refuse parameters that the endpoint does not have."""
    for name in params:
        if name not in allowed and name != "expand":
            raise StripeError(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def require(params: Params, *names: str) -> None:
    """Refuse a request that lacks a parameter."""
    for name in names:
        if params.get(name) in {None, ""} if not isinstance(params.get(name), (dict, list)) else False:
            raise StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)


def integer(params: Params, name: str) -> int:
    """Answer a whole number."""
    value = params[name]
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,15}", value):
        raise StripeError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
    return int(value)


def boolean(params: Params, name: str) -> bool:
    """Answer a truth value; absent is false."""
    value = params.get(name, "false")
    if value not in {"true", "false"}:
        raise StripeError(f"Invalid boolean: {value}", param=name)
    return value == "true"


def merge_metadata(current: dict[str, str], change: Any) -> dict[str, str]:
    """Apply a metadata parameter: keys merge, an empty value removes its key, an empty string removes all."""
    if change is None:
        return current
    if change == "":
        return {}
    if not isinstance(change, dict):
        raise StripeError("Invalid hash", param="metadata")
    merged = current | {str(name): str(value) for name, value in change.items()}
    return {name: value for name, value in merged.items() if value != ""}
