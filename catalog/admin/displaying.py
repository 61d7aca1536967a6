"""What read-only fields show, computed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.db.models import Model

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
