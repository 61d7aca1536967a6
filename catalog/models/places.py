"""Countries as the tables hold them: checked where they are typed, and again where they are stored."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db.models import Expression, TextField, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Regex

from core import geo


def validate_country(code: str) -> None:
    """Refuse what is no country code: a licence that excludes "uk" would exclude nobody."""
    if geo.is_country(code):
        return
    meant = code.strip().upper()
    hint = f"write {meant}" if geo.is_country(meant) else "the United Kingdom is GB" if meant == "UK" else "correct it"
    raise ValidationError(f"“{code}” is no country code of ISO 3166-1 alpha-2: {hint}.", code="unknown_country")


def validate_countries(codes: Sequence[str]) -> None:
    """Refuse a list with anything else. For the list as a whole: forms drop what is said of its items."""
    for code in codes:
        validate_country(code)


def are_country_codes(column: str) -> Expression:
    """Answer the condition that an array holds nothing but pairs of capitals."""
    return Regex(Cast(column, TextField()), Value(r"^\{([A-Z]{2}(,[A-Z]{2})*)?\}$"))
