"""What a handler works on: the objects of one transaction.

Objects are plain dicts in Stripe's shape. `get` and `new` answer the same dict for the same id until
the end; what was changed is marked by `save` and written once, by `flush`. A field whose name
begins with an underscore is the stand-in's own and never leaves it.
"""

from __future__ import annotations

import secrets
from typing import Any

import orjson

from local.stripe_standin import shapes
from local.stripe_standin.errors import NotFound
from local.stripe_standin.store import COLUMNS, FILTERS, Store

Thing = dict[str, Any]

_INSERT = (
    f"INSERT INTO objects (body, {', '.join(COLUMNS)}, kind, created, id) "  # noqa: S608 - our own constants
    f"VALUES (?, {'?, ' * len(COLUMNS)} ?, ?, ?)"
)
_UPDATE = f"UPDATE objects SET body = ?, {', '.join(f'{name} = ?' for name in COLUMNS)} WHERE id = ?"  # noqa: S608


def new_id(kind: str) -> str:
    """Answer an id that begins as Stripe's do."""
    return f"{shapes.PREFIXES[kind]}_{secrets.token_hex(12)}"


def public(thing: Thing) -> Thing:
    """Answer an object as the API shows it."""
    return {name: value for name, value in thing.items() if name[0] != "_"}


class Work:
    """The objects, events and jobs of one transaction, at one moment of the stand-in's clock."""

    def __init__(self, store: Store, now: int, *, request: str | None = None, key: str | None = None) -> None:
        self.store = store
        self.now = now
        self._request = request
        self._key = key
        self._things: dict[str, Thing] = {}
        self._new: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        self.unsettled: set[str] = set()
        """Charges captured so lately that this answer does not know their balance transaction yet."""
        self.events: list[tuple[int, str, str]] = []
        """What was emitted: number, type and id."""

    # ------------------------------------------------ objects

    def new(self, kind: str, **fields: Any) -> Thing:
        """Answer a new object, which `flush` will insert."""
        thing = {
            "id": new_id(kind),
            "object": kind,
            **shapes.blank(kind),
            "created": self.now,
            **{name: value for name, value in fields.items() if value is not None},
        }
        self._things[thing["id"]] = thing
        self._new[thing["id"]] = None
        return thing

    def find(self, object_id: str | None) -> Thing | None:
        """Answer an object of any kind, if there is one."""
        if object_id is None:
            return None
        if object_id in self._things:
            return self._things[object_id]
        row = self.store.row("SELECT kind, body FROM objects WHERE id = ?", object_id)
        return self._loaded(*row) if row else None

    def get(self, kind: str, object_id: str, *, param: str = "id") -> Thing:
        """Answer the object of this kind; raises NotFound, naming `param`."""
        thing = self.find(object_id)
        if thing is None or thing["object"] != kind or thing.get("deleted"):
            raise NotFound.of(kind, object_id, param=param)
        return thing

    def show(self, thing: Thing) -> Thing:
        """Answer an object as the API shows it at this moment."""
        shown = public(thing)
        if thing["object"] == "balance_transaction":
            shown["status"] = "available" if thing["available_on"] <= self.now else "pending"
        if thing["id"] in self.unsettled:
            shown["balance_transaction"] = None
        return shown

    def save(self, thing: Thing) -> None:
        """Have `flush` write what was changed."""
        self._changed[thing["id"]] = None

    def bury(self, thing: Thing) -> Thing:
        """Leave of an object only that there was one; lists show it no more."""
        gone = {"id": thing["id"], "object": thing["object"], "deleted": True}
        self.flush()
        self.store.run("UPDATE objects SET kind = 'deleted', body = ? WHERE id = ?", shapes.pack(gone), gone["id"])
        self._things[gone["id"]] = gone
        return gone

    def delete(self, object_id: str) -> None:
        """Forget an object."""
        self._things.pop(object_id, None)
        self.store.run("DELETE FROM objects WHERE id = ?", object_id)

    def select(self, condition: str, *values: Any) -> list[Thing]:
        """Answer objects by a condition on the table; sees everything saved so far."""
        self.flush()
        return [
            self._loaded(kind, body)
            for kind, body in self.store.rows(
                f"SELECT kind, body FROM objects WHERE {condition}",  # noqa: S608 - conditions are constants of ours
                *values,
            )
        ]

    def _loaded(self, kind: str, body: bytes) -> Thing:
        thing = shapes.unpack(kind, body)
        return self._things.setdefault(thing["id"], thing)

    def flush(self) -> None:
        """Write new and changed objects."""
        for object_id in self._new:
            thing = self._things[object_id]
            self.store.run(_INSERT, *_columns(thing), thing["object"], thing["created"], object_id)
            self._changed.pop(object_id, None)
        for object_id in self._changed:
            self.store.run(_UPDATE, *_columns(self._things[object_id]), object_id)
        self._new.clear()
        self._changed.clear()

    # ------------------------------------------------ what follows

    def emit(self, event_type: str, thing: Thing, *, previous: Thing | None = None) -> None:
        """Append an event with the object as it is now. `previous` holds what its changed fields were."""
        event_id = new_id("event")
        number = self.store.run(
            "INSERT INTO events (id, type, created, kind, body, previous, request, idempotency_key) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            event_id,
            event_type,
            self.now,
            thing["object"],
            shapes.pack(public(thing)),
            orjson.dumps(previous) if previous is not None else None,
            self._request,
            self._key,
        )
        self.events.append((number, event_type, event_id))

    def later(self, seconds: int, job: str, thing: Thing) -> None:
        """Have a job done on an object when the stand-in's clock has moved on."""
        self.store.run("INSERT INTO jobs (due, name, object) VALUES (?, ?, ?)", self.now + seconds, job, thing["id"])


def _columns(thing: Thing) -> list[Any]:
    filters = FILTERS[thing["object"]]
    return [shapes.pack(thing), *(thing.get(name) if name in filters else None for name in COLUMNS)]
