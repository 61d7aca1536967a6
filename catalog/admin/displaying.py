"""What read-only fields show: computed once, and with no link to what their reader may not open."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html

_Admin = TypeVar("_Admin")
_Model = TypeVar("_Model", bound=Model)
_Shown = TypeVar("_Shown")


def once(show: Callable[[_Admin, _Model], _Shown]) -> Callable[[_Admin, _Model], _Shown]:
    """Compute what a read-only field shows of an object once: a page asks for it five times."""

    @wraps(show)
    def shown(admin: _Admin, one: _Model) -> _Shown:
        known: dict[str, Any] = one.__dict__.setdefault("_shown_once", {})
        if show.__name__ not in known:
            known[show.__name__] = show(admin, one)
        found: _Shown = known[show.__name__]
        return found

    return shown


def read_by(one: _Model, request: HttpRequest) -> _Model:
    """Remember who reads a page about a row, for its fields: Django shows them the row alone."""
    one.__dict__["_reader"] = request.user
    return one


def may(one: Model, permission: str) -> bool:
    """Say whether who reads a page about a row has a permission; nobody has one where no reader is known."""
    reader = one.__dict__.get("_reader")
    return reader is not None and reader.has_perm(permission)


def linked(address: str, text: object, *, leads: bool) -> str:
    """Answer a link, or its text alone where it would lead to a refusal."""
    return format_html('<a class="underline" href="{}">{}</a>', address, text) if leads else str(text)
