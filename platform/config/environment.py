"""Reads environment variables, and names the one that cannot be read."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BOOLEANS = frozenset({*environ.Env.BOOLEAN_TRUE_STRINGS, "false", "off", "n", "no", "0"})


class Environment(environ.Env):  # type: ignore[misc]  # the library has no types
    """django-environ, where a set but empty variable counts as unset and a wrong one is refused in a sentence."""

    def get_value(self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, **options: Any) -> Any:
        """Answer a variable's value."""
        text = self.ENVIRON.get(var, "")
        if not text and default is not self.NOTSET:
            return default
        if cast is bool and text.lower() not in BOOLEANS:
            raise ImproperlyConfigured(f"{var} is {text!r}; it must be true or false.")
        try:
            return super().get_value(var, cast=cast, default=default, **options)
        except ValueError:
            raise ImproperlyConfigured(f"{var} is {text!r}; it must be a number.") from None


def postgresql(url: str) -> dict[str, Any]:
    """Answer what Django makes of a database's address; the message repeats no part of it, since it holds a password."""
    parts: dict[str, Any] = {}
    if url.startswith(("postgresql://", "postgres://")):
        with suppress(ValueError):
            parts = environ.Env.db_url_config(url)
    if not parts.get("NAME"):
        raise ImproperlyConfigured(
            "DATABASE_URL is not the address of a PostgreSQL database, postgresql://user:password@host/name."
        )
    return parts
