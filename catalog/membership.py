"""What the rule of a collection may ask for. Pure: reading it asks nobody."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from accounts.rules import HIGHEST_AGE

LONGEST_DAYS = 366

_Slug = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
_Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
_Year = Annotated[int, msgspec.Meta(ge=1, le=9999)]
_Days = Annotated[int, msgspec.Meta(ge=1, le=LONGEST_DAYS)]
_Age = Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_AGE)]


class RuleInvalid(ValueError):
    """A rule that says nothing, or something that no rule says."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Titles that meet every condition that is given; within one, any of what it lists."""

    kinds: list[str] = []
    """movie, series, special."""
    genres: list[_Slug] = []
    """Slugs, as /genres lists them; those below them in the tree count."""
    keywords: list[_Slug] = []
    countries: list[_Country] = []
    """Of production, ISO 3166-1 alpha-2."""
    original_languages: list[_Slug] = []
    """BCP 47."""
    providers: list[_Slug] = []
    """Codes of providers."""
    year_from: _Year | None = None
    year_to: _Year | None = None
    highest_age: _Age | None = None
    """Only what people of this age may watch, by the rating of the viewer's country."""
    made_for_kids: bool | None = None
    added_within_days: _Days | None = None
    """Published not longer ago than this."""
    leaves_within_days: _Days | None = None
    """Available now, and no more after this."""


def read_rule(rule: Any) -> Rule:
    """Read a rule as it is stored. Raises RuleInvalid, which says what to correct."""
    try:
        read = msgspec.convert(rule or {}, Rule)
    except msgspec.ValidationError as error:
        raise RuleInvalid(f"The rule cannot be read: {error}.") from None
    if unknown := set(read.kinds) - {"movie", "series", "special"}:
        raise RuleInvalid(f"A rule finds movie, series and special, not {', '.join(sorted(unknown))}.")
    if read.year_from and read.year_to and read.year_from > read.year_to:
        raise RuleInvalid("The rule ends before it begins: year_from is after year_to.")
    return read
