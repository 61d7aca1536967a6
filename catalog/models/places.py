"""Countries and languages as the tables hold them: checked where they are typed, countries where they are stored too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.core.exceptions import ValidationError
from django.db.models import Expression, TextField, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Regex
from django.utils.translation import gettext_lazy as _

from catalog import rules
from core import geo


def validate_country(code: str) -> None:
    """Refuse what is no country code: a licence that excludes "uk" would exclude nobody."""
    if geo.is_country(code):
        return
    meant = code.strip().upper()
    hint = (
        _("write %(code)s") % {"code": meant}
        if geo.is_country(meant)
        else _("the United Kingdom is GB")
        if meant == "UK"
        else _("correct it")
    )
    raise ValidationError(
        _("“%(code)s” is no country code of ISO 3166-1 alpha-2: %(hint)s."),
        "unknown_country",
        {"code": code, "hint": hint},
    )


def validate_countries(codes: Sequence[str]) -> None:
    """Refuse a list with anything else. For the list as a whole: forms drop what is said of its items."""
    for code in codes:
        validate_country(code)


def refuse_other_than_languages(
    field: str, *tags: str, understood: Callable[[str], bool] = rules.is_language_tag
) -> None:
    """Refuse, beside the field, what is no language tag: a name in "german" would be shown to nobody."""
    for tag in tags:
        if tag and not understood(tag):
            said = _("“%(tag)s” is no language tag of BCP 47: write de, or pt-BR.")
            raise ValidationError({field: ValidationError(said, "unknown_language", {"tag": tag})})


def are_country_codes(column: str) -> Expression:
    """Answer the condition that an array holds nothing but pairs of capitals."""
    return Regex(Cast(column, TextField()), Value(r"^\{([A-Z]{2}(,[A-Z]{2})*)?\}$"))
