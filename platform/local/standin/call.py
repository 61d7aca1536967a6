"""One API request on its way through the stand-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from local.standin.store import Object
from local.standin.wire import Params, StripeError, integer
from local.standin.world import World

OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
PAGE = frozenset({"limit", "starting_after", "ending_before"})


@dataclass
class Call:
    """What a handler gets: the world, the decoded parameters, and who calls."""

    world: World
    params: Params
    request_id: str
    idempotency_key: str | None = None
    public: bool = False
    """The caller is a client with a publishable key: it may do what a client_secret allows."""
    ids: tuple[str, ...] = field(default=())

    @property
    def id(self) -> str:
        """The first id in the path."""
        return self.ids[0]

    def tell(self, kind: str, subject: Object) -> None:
        """Append an event that names this request as its cause."""
        self.world.tell(kind, subject, request={"id": self.request_id, "idempotency_key": self.idempotency_key})

    def check_client_secret(self, subject: Object) -> None:
        """Let a publishable key act only with the object's own secret."""
        given = self.params.get("client_secret")
        if (self.public or given is not None) and given != subject["client_secret"]:
            raise StripeError(
                f"The client_secret provided does not match the client_secret of this {subject['object']}.",
                param="client_secret",
            )

    def listing(self, kind: str, url: str, *, customer: str | None = None, parent: str | None = None) -> Object:
        """Answer a page of objects, newest first (docs.stripe.com/api/pagination)."""
        limit = integer(self.params, "limit") if "limit" in self.params else 10
        if not 1 <= limit <= 100:
            raise StripeError("Limit must be between 1 and 100.", param="limit")
        for cursor in ("starting_after", "ending_before"):
            if cursor in self.params:
                self.world.get(kind, self.params[cursor], param=cursor)
        types = self.params.get("types") or (
            [self.params["type"]] if "type" in self.params and kind == "event" else None
        )
        data, more = self.world.store.page(
            kind,
            limit=limit,
            customer=customer,
            parent=parent,
            created=_range(self.params),
            types=types,
            after=self.params.get("starting_after"),
            before=self.params.get("ending_before"),
        )
        return {"object": "list", "data": data, "has_more": more, "url": url}


Handler = Callable[[Call], Object]


def _range(params: Params) -> dict[str, int]:
    created = params.get("created")
    if created is None:
        return {}
    if isinstance(created, str):
        return {"=": integer(params, "created")}
    if not isinstance(created, dict) or not set(created) <= set(OPERATORS):
        raise StripeError("Invalid created filter", param="created")
    return {OPERATORS[name]: integer(created, name) for name in created}
