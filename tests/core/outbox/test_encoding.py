"""Events survive JSON, and the releases that come after them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.outbox import encoding


@dataclass(frozen=True)
class Everything:
    """One field of each kind that an event may have."""

    id: UUID
    at: datetime
    day: date
    count: int
    name: str
    flag: bool
    maybe: UUID | None
    kind: Literal["a", "b"]


events = st.builds(
    Everything,
    id=st.uuids(),
    at=st.datetimes(timezones=st.just(UTC)),
    day=st.dates(),
    count=st.integers(-(2**63), 2**63 - 1),
    name=st.text(),
    flag=st.booleans(),
    maybe=st.none() | st.uuids(),
    kind=st.sampled_from(["a", "b"]),
)


class TestDecode:
    @given(events)
    def test_gives_back_what_was_encoded(self, event: Everything) -> None:
        assert encoding.decode(json.loads(json.dumps(encoding.encode(event))), Everything) == event

    @given(
        events, st.dictionaries(st.text().filter(lambda name: name not in Everything.__annotations__), st.integers())
    )
    def test_ignores_fields_that_later_releases_add(self, event: Everything, unknown: dict[str, int]) -> None:
        assert encoding.decode({**encoding.encode(event), **unknown}, Everything) == event

    @given(events, st.sampled_from(sorted(set(Everything.__annotations__) - {"name"})))
    def test_names_the_field_that_does_not_fit(self, event: Everything, field: str) -> None:
        with pytest.raises(ValueError, match=rf"\$\.{field}"):
            encoding.decode({**encoding.encode(event), field: "not that"}, Everything)

    @given(events, st.sampled_from(sorted(Everything.__annotations__)))
    def test_names_the_field_that_is_missing(self, event: Everything, field: str) -> None:
        payload = encoding.encode(event)
        del payload[field]
        with pytest.raises(ValueError, match=f"missing required field `{field}`"):
            encoding.decode(payload, Everything)
