"""What a reader makes of a record is the same after it was written down."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from catalog.ingestion.records import Moment, TitleRecord, Window, dump, load

_OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(0, 1),
    bool: st.booleans(),
    NoneType: st.none(),
    date: st.dates(),
    Moment: st.dates() | st.datetimes(timezones=_OFFSETS),
    Any: st.none() | st.booleans() | st.text(max_size=5) | st.lists(st.text(max_size=5), max_size=2),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Answer all that a field of this type may hold."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=2)
    if origin is UnionType:
        return st.one_of(*map(values, arguments))
    return structs(kind)


@cache
def structs(kind: type[Struct]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{name: values(field) for name, field in get_type_hints(kind).items()})


@given(structs(TitleRecord))
def test_a_record_is_read_as_it_was_written(record: TitleRecord) -> None:
    read = load(dump(record))
    assert read == record
    assert [type(window.start) for window in read.windows] == [type(window.start) for window in record.windows]


def test_what_is_not_said_takes_no_room() -> None:
    assert dump(TitleRecord("a", "movie")) == b'{"external_id":"a","kind":"movie"}'


@pytest.mark.parametrize("moment", [date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)])
def test_a_day_and_its_first_instant_stay_apart(moment: date) -> None:
    record = TitleRecord("a", "movie", windows=(Window(start=moment),))
    assert [type(window.start) for window in load(dump(record)).windows] == [type(moment)]
