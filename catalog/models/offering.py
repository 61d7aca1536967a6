"""By which licences a title is offered: whatever asks goes by what is said here.

What is watched (a film, an episode, a special) goes by the licences of the nearest of itself and what it belongs to that
has any: an episode's own stand in place of its season's, and these in place of the series'. A series or season is there
for the sake of its parts: it is offered while one of them is, whichever of them is licensed, and no longer; one of
which no part is public goes by licences itself. A trailer or extra of a series or season for which none was given goes
along with that.

It is SQL, since each title is asked by itself and stops at the first licence found: conditions of the ORM become joins, for
which PostgreSQL reads all licences before the first title of a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import BooleanField, Expression, F
from django.db.models.sql.compiler import SQLCompiler

from catalog.models.licences import AvailabilityWindow, AvailabilityWindowQuerySet
from catalog.models.titles import WHOLES

_WINDOWS = AvailabilityWindow._meta.db_table
_CHILD = "{part}.state = 'published' AND {part}.kind IN ('season', 'episode', 'special')"


class HasLicence(Expression):
    """The condition that one of `windows` is among the licences by which a title goes.

    Says nothing of a title's state, nor of what it belongs to. Parts are asked about with what they belong to, unless all
    that is asked for stands alone. Among what is `searched` are no seasons, trailers or extras: the condition is half as long.
    """

    output_field = BooleanField()

    def __init__(
        self, windows: AvailabilityWindowQuerySet, *, standing_alone: bool = False, searched: bool = False
    ) -> None:
        super().__init__()
        query = windows.query
        condition, self.values = query.where.as_sql(query.get_compiler(DEFAULT_DB_ALIAS), connections[DEFAULT_DB_ALIAS])
        self.condition = f"({condition})"
        levels = ("pk",) if standing_alone else ("pk", *WHOLES)
        self.columns: list[Any] = [F("kind"), *map(F, levels)]
        self.all_kinds = not (standing_alone or searched)

    def get_source_expressions(self) -> list[Any]:
        return self.columns

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        self.columns = list(exprs)

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Answer the condition for these columns, which take no parameters."""
        kind, *levels = (compiler.compile(column)[0] for column in self.columns)
        text = _offered(kind, tuple(levels), all_kinds=self.all_kinds)
        return text.replace(_MEETS, self.condition), tuple(self.values) * text.count(_MEETS)


class IsOffered(HasLicence):
    """The condition that a title is licensed to subscribers of `country` at `now`, itself or by its parts."""

    def __init__(self, country: str, now: datetime, *, standing_alone: bool = False, searched: bool = False) -> None:
        windows = AvailabilityWindow.objects.open_in(country, now)
        super().__init__(windows, standing_alone=standing_alone, searched=searched)


def deciding(asked: str) -> str:
    """Answer the query for the licences by which a series or season goes, with all columns: those of what is watched of it.

    `asked` is an alias of catalog_title in the query around it.
    """
    series = f"SELECT {_WINDOWS}.* FROM {_of_series(f'{asked}.id')} AND {asked}.kind = 'series'"  # noqa: S608 - our own text
    season = f"SELECT {_WINDOWS}.* FROM {_of_season(f'{asked}.id')} AND {asked}.kind = 'season'"  # noqa: S608 - our own text
    own = (  # of a season that has none itself, those of its series
        f"SELECT {_WINDOWS}.* FROM {_WINDOWS} WHERE CASE {asked}.kind"  # noqa: S608 - our own text
        f" WHEN 'series' THEN title_id = {asked}.id AND {_passes_on_series(f'{asked}.id')}"
        f" WHEN 'season' THEN title_id = CASE WHEN {_any(f'{asked}.id')} THEN {asked}.id ELSE {asked}.parent_id END"
        f" AND {_passes_on(f'{asked}.id')} END"
        f" AND title_id IN ({asked}.id, {asked}.parent_id)"
    )
    return f"{series} UNION ALL {season} UNION ALL {own}"


# ---------------------------------------------------------------- the rule

_MEETS = "{meets}"


@lru_cache(maxsize=100)
def _offered(kind: str, levels: tuple[str, ...], *, all_kinds: bool) -> str:
    own = _nearest(levels)
    if not all_kinds:
        return f"CASE {kind} WHEN 'series' THEN {_series(levels[0])} ELSE {own} END"
    pk, parent, *_ = levels
    unlicensed = " AND ".join(f"NOT {_any(level)}" for level in levels)
    return (
        f"CASE WHEN {kind} IN ('series', 'season') OR {kind} IN ('trailer', 'extra') AND {unlicensed} THEN EXISTS ("
        f"SELECT FROM catalog_title AS asked"
        f" WHERE asked.id = CASE WHEN {kind} IN ('series', 'season') THEN {pk} ELSE {parent} END AND CASE asked.kind"
        f" WHEN 'series' THEN {_series('asked.id')} WHEN 'season' THEN {_season('asked.id', 'asked.parent_id')} END OFFSET 0)"
        f" ELSE {own} END"
    )


def _series(pk: str) -> str:
    return f"({_met(pk)} AND {_passes_on_series(pk)} OR EXISTS (SELECT FROM {_of_series(pk)} AND {_MEETS} OFFSET 0))"


def _season(pk: str, series: str) -> str:
    own = _nearest((pk, series))
    return f"({own} AND {_passes_on(pk)} OR EXISTS (SELECT FROM {_of_season(pk)} AND {_MEETS} OFFSET 0))"


def _of_series(pk: str) -> str:
    """Answer what selects the licences of a series' public parts; of a season only if something is watched by them."""
    return (
        f"{_WINDOWS} JOIN catalog_title AS part ON part.id = {_WINDOWS}.title_id"
        f" JOIN catalog_title AS whole ON whole.id = part.parent_id"
        f" WHERE {_WINDOWS}.series_id = {pk} AND {_CHILD.format(part='part')}"
        f" AND (whole.state = 'published' OR whole.id = {pk}) AND (part.kind <> 'season' OR {_passes_on('part.id')})"
    )


def _of_season(pk: str) -> str:
    """Answer what selects the licences of a season's public parts."""
    return (
        f"{_WINDOWS} JOIN catalog_title AS part ON part.id = {_WINDOWS}.title_id"
        f" WHERE part.parent_id = {pk} AND {_CHILD.format(part='part')}"
    )


def _passes_on_series(pk: str) -> str:
    """Say that something is watched by the licences of a series itself: quickly, where no part has any of its own."""
    inherits = (
        f"EXISTS (SELECT FROM catalog_title AS child JOIN catalog_title AS above ON above.id = child.parent_id"
        f" WHERE child.series_id = {pk} AND {_CHILD.format(part='child')} AND (above.state = 'published' OR above.id = {pk})"
        f" AND NOT {_any('child.id')} AND (child.parent_id = {pk} OR NOT {_any('child.parent_id')})"
        f" AND (child.kind <> 'season' OR {_has_no_parts('child.id')}) OFFSET 0)"
    )
    return (
        f"(NOT EXISTS (SELECT FROM {_WINDOWS} AS theirs WHERE theirs.series_id = {pk} OFFSET 0)"
        f" OR {_has_no_parts(pk)} OR {inherits})"
    )


def _passes_on(pk: str) -> str:
    """Say that something is watched by the licences of a season, or by those that it has from its series."""
    inherits = (
        f"EXISTS (SELECT FROM catalog_title AS child WHERE child.parent_id = {pk} AND {_CHILD.format(part='child')}"
        f" AND NOT {_any('child.id')} OFFSET 0)"
    )
    return f"({_has_no_parts(pk)} OR {inherits})"


def _has_no_parts(pk: str) -> str:
    return f"NOT EXISTS (SELECT FROM catalog_title AS below WHERE below.parent_id = {pk} AND {_CHILD.format(part='below')} OFFSET 0)"


def _nearest(levels: Sequence[str]) -> str:
    first, *others = levels
    return f"({_met(first)} OR NOT {_any(first)} AND {_nearest(others)})" if others else _met(first)


def _met(level: str) -> str:
    return f"EXISTS (SELECT FROM {_WINDOWS} WHERE {_WINDOWS}.title_id = {level} AND {_MEETS} OFFSET 0)"


def _any(level: str) -> str:
    return f"EXISTS (SELECT FROM {_WINDOWS} AS given WHERE given.title_id = {level} OFFSET 0)"
