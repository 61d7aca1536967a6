"""Who answers for whom: kept as it is while a delivery is written, changed while none is.

A batch finds titles and people long before it has written what hangs on them. Locks of the rows would cost it one for each
of thousands of people, and would wait for those who merge two of them crosswise.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar
from uuid import UUID

from django.db import connection

from catalog.models import Genre, Keyword, Person, Title

_Id = TypeVar("_Id", int, UUID)


def keep() -> None:
    """Let no title and nobody be merged or parted before the caller's transaction ends.

    The first lock that the transaction takes: who changes identities locks titles after it.
    """
    _lock("pg_advisory_xact_lock_shared")


def change() -> None:
    """Wait until no delivery relies on who answers for whom, and let none begin before the caller's transaction ends.

    The first lock that the transaction takes.
    """
    _lock("pg_advisory_xact_lock")


def answering(model: type[Title] | type[Person] | type[Genre] | type[Keyword], ids: Collection[_Id]) -> dict[_Id, _Id]:
    """Answer what answers by now for each that editors may have merged since it was found.

    What is not there has no answer. None of them is merged before the caller's transaction ends: then all that it hangs on
    them goes over. Whoever locks titles or rows that hang on these locks the titles before, and those rows after.
    """
    found: dict[_Id, _Id] = {}
    wanted = set(ids)
    while wanted:
        with connection.cursor() as cursor:
            # In order, as whoever merges two locks them.
            cursor.execute(
                f"SELECT id, coalesce(merged_into_id, id) FROM {model._meta.db_table}"  # noqa: S608 - our own names
                " WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE",
                [list(wanted)],
            )
            found |= dict(cursor.fetchall())
        # What answers may be merged itself, until it is locked too.
        wanted = set(found.values()) - wanted - found.keys()
    return {pk: found.get(answers, answers) for pk, answers in found.items()}


def _lock(function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtext('catalog.identities'))")
