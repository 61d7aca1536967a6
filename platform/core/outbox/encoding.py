"""Events as JSON and back, by their annotations."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

E = TypeVar("E")

_SCALARS = (
    inspect.BoolType,
    inspect.DateTimeType,
    inspect.DateType,
    inspect.EnumType,
    inspect.IntType,
    inspect.LiteralType,
    inspect.NoneType,
    inspect.StrType,
    inspect.UUIDType,
)


_names: dict[type, str] = {}


def type_name(event_class: type) -> str:
    """Answer the name under which events of this class are stored: app and class, `accounts.AccountErased`.

    Raises TypeError when the class is not a frozen dataclass whose fields are plain scalars: UUID, datetime,
    date, int, str, bool, an enumeration, or one of these and None. Money is an amount and a currency.
    """
    if event_class not in _names:
        _names[event_class] = _checked_name(event_class)
    return _names[event_class]


def encode(event: object) -> dict[str, Any]:
    """Answer the event's JSON object.

    Raises ValueError when a value does not fit its annotation, so that the publisher hears of it and not
    the handlers.
    """
    name = type_name(type(event))
    payload: dict[str, Any] = msgspec.to_builtins(event)
    try:
        same = decode(payload, type(event)) == event
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if not same:
        raise ValueError(f"{name} does not survive its way through JSON: {event!r}")
    for field, value in vars(event).items():
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError(f"{name}.{field} has no time zone: {value!r}")
    return payload


def decode(payload: object, event_class: type[E]) -> E:
    """Make the event again, ignoring what its class does not know.

    An event outlives the code that wrote it: a field added later needs a default, a field removed is ignored.
    Raises ValueError naming the field that does not fit.
    """
    return msgspec.convert(payload, event_class)


def _checked_name(event_class: type) -> str:
    name = f"{event_class.__module__.partition('.')[0]}.{event_class.__qualname__}"
    if not (dataclasses.is_dataclass(event_class) and getattr(event_class, "__dataclass_params__").frozen):  # noqa: B009 - unknown to the type checker
        raise TypeError(f"{name} is not a frozen dataclass; events are.")
    description = inspect.type_info(event_class)
    assert isinstance(description, inspect.DataclassType)
    for field in description.fields:
        parts = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        if not all(isinstance(part, _SCALARS) for part in parts):
            raise TypeError(f"{name}.{field.name} is not a plain scalar; events carry ids and scalars only.")
    return name
