"""Who wants which events."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from django.core.exceptions import ImproperlyConfigured

from core.outbox import encoding

E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)


class Handler(Protocol[E_contra]):
    """Reacts to one event, inside the transaction that records its delivery."""

    def __call__(self, event: E_contra, /, *, now: datetime) -> None: ...


@dataclass(frozen=True)
class Subscription:
    """A handler under its lasting name."""

    name: str
    event_class: type
    handler: Handler[Any]


class HandlerMissing(Exception):
    """A delivery names a handler that this code does not have, or one that takes other events by now."""


_by_name: dict[str, Subscription] = {}
_by_event: defaultdict[type, list[Subscription]] = defaultdict(list)


def subscribe(event_class: type[E], *, name: str) -> Callable[[Handler[E]], Handler[E]]:
    """Register a handler under a name that lasts: `billing.forget_account`.

    Deliveries are stored under the name, so it stays when the function moves. To retire or rename one,
    let its open deliveries run out first; what remains is parked.
    Raises ImproperlyConfigured when the name is taken or malformed, TypeError when the class is no event.
    """
    encoding.type_name(event_class)
    if not re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", name) or len(name) > 100:
        raise ImproperlyConfigured(f"{name!r} is no handler name: it is `app.verb_noun`, 100 characters at most.")

    def register(handler: Handler[E]) -> Handler[E]:
        if name in _by_name:
            raise ImproperlyConfigured(
                f"Two handlers are named {name!r}: {_by_name[name].handler!r} and {handler!r}. Rename the newer one."
            )
        subscription = Subscription(name, event_class, handler)
        _by_name[name] = subscription
        _by_event[event_class].append(subscription)
        return handler

    return register


def names() -> list[str]:
    """Answer the names of all handlers, sorted."""
    return sorted(_by_name)


def of(event_class: type) -> list[Subscription]:
    """Answer the subscriptions to this class of events; those to a base class are none."""
    return list(_by_event.get(event_class, ()))


def find(name: str, *, type_name: str) -> Subscription:
    """Answer the subscription that a delivery of an event of `type_name` is meant for.

    Raises HandlerMissing.
    """
    subscription = _by_name.get(name)
    if subscription is None:
        raise HandlerMissing(f"No handler is named {name!r}: it was removed or renamed, or this process is older.")
    if encoding.type_name(subscription.event_class) != type_name:
        raise HandlerMissing(
            f"{name!r} takes {encoding.type_name(subscription.event_class)}, and the event is a {type_name}."
        )
    return subscription
