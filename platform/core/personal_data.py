"""What the platform holds about a person: found for them, and erased, app by app.

Each app registers one contributor in `AppConfig.ready` and answers for its own tables, those of the
libraries it brings included. The walk goes from the topmost app down, so that nothing is left that
refers to what is gone. tests/test_architecture.py fails for a table that leads to an account or a
profile and that nobody answers for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

from django.apps import apps

from core.errors import DomainError


@dataclass(frozen=True)
class Stream:
    """One kind of record in an export: `profiles`, `invoices`.

    `records` are read once and may be many; each maps field names to what JSON or CSV can carry.
    """

    name: str
    records: Iterable[Mapping[str, Any]]


Tally = Callable[[str, int], None]
"""Notes how many rows of a model were erased or stripped: `tally("accounts.Profile", 3)`.

Called inside the transaction that does it, so that the record of an erasure tells neither more nor less,
wherever the erasure is killed.
"""


class Erase(Protocol):
    """Erases what one app holds about an account, or strips it of the person.

    It owns its transactions, reaches no other company's server inside one, and may be killed and
    called again: what is already gone is no error. When it must wait after all (a charge was begun since
    `hinders` was asked) it raises a DomainError, and nothing below it is erased before it succeeds.
    """

    def __call__(self, *, account_id: UUID, now: datetime, tally: Tally) -> None: ...


class Hinders(Protocol):
    """Answers why an account cannot be erased yet (money is on its way), or None.

    Every app is asked before the first one erases anything, so that an account is whole until it goes.
    """

    def __call__(self, *, account_id: UUID) -> DomainError | None: ...


def nothing_hinders(*, account_id: UUID) -> DomainError | None:
    """Answer None: for apps that never have to wait."""
    return None


class Export(Protocol):
    """Answers what one app holds about an account, as the person it is about may read it."""

    def __call__(self, *, account_id: UUID) -> Iterable[Stream]: ...


@dataclass(frozen=True)
class Contributor:
    """One app's part in a person's data.

    `name` is the app's label; its place in INSTALLED_APPS, which lists our apps from the floor up,
    is its place in the walk. `covers` names the models (`accounts.Profile`) that `export` tells of
    and `erase` clears; `keeps` those that outlive the person, each with the reason.
    """

    name: str
    export: Export
    erase: Erase
    covers: frozenset[str]
    keeps: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    hinders: Hinders = nothing_hinders


_contributors: dict[str, Contributor] = {}


def register(contributor: Contributor) -> None:
    """Take an app's contributor in; an app has one, so a second raises ValueError."""
    if contributor.name in _contributors:
        raise ValueError(f"The app {contributor.name!r} has registered a contributor already.")
    apps.get_app_config(contributor.name)
    _contributors[contributor.name] = contributor


def contributors() -> list[Contributor]:
    """Answer every app's contributor, the topmost app's first."""
    return [_contributors[app.label] for app in reversed(list(apps.get_app_configs())) if app.label in _contributors]


def export(*, account_id: UUID) -> Iterator[tuple[str, Stream]]:
    """Yield everything held about an account: app and stream, to be read one after the other."""
    for contributor in contributors():
        for stream in contributor.export(account_id=account_id):
            yield contributor.name, stream


def hindrance(*, account_id: UUID) -> DomainError | None:
    """Answer the first reason why an account cannot be erased yet; None if nothing hinders."""
    reasons = (contributor.hinders(account_id=account_id) for contributor in contributors())
    return next((reason for reason in reasons if reason is not None), None)


def erase(
    *, account_id: UUID, now: datetime, tally: Callable[[str], Tally], done: Collection[str] = ()
) -> Iterator[str]:
    """Erase an account app by app, and yield each app's name when its part is done.

    `tally` answers what an app's counts are noted with. The caller records the name before it asks for the next, and passes what it has recorded as
    `done` after an interruption, which then costs at most one app's part a second time. Whatever an
    app raises ends the walk there.
    """
    for contributor in contributors():
        if contributor.name not in done:
            contributor.erase(account_id=account_id, now=now, tally=tally(contributor.name))
            yield contributor.name


def reasons_to_keep() -> dict[str, str]:
    """Answer the models that outlive a person, each with the reason, for the record of an erasure."""
    return {model: reason for contributor in contributors() for model, reason in contributor.keeps.items()}
