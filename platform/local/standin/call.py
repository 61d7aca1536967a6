"""One API request on its way through the stand-in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from local.standin.store import Object
from local.standin.wire import Params, StripeError, require
from local.standin.world import World


@dataclass
class Call:
    """What a handler gets: the world, the decoded parameters, and who calls."""

    world: World
    params: Params
    request_id: str
    idempotency_key: str | None = None
    public: bool = False
    """The caller is a client with a publishable key: it may do what a client_secret allows."""
    base: str = ""
    """The address that the caller knows the stand-in by."""
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
        if self.public:
            require(self.params, "client_secret")
        if self.params.get("client_secret", subject["client_secret"]) != subject["client_secret"]:
            raise StripeError(
                f"The client_secret provided does not match the client_secret of this {subject['object']}.",
                param="client_secret",
            )

    def listing(
        self,
        kind: str,
        url: str,
        *,
        customer: str | None = None,
        parents: Sequence[str | None] = (),
        members: Sequence[str] = (),
    ) -> Object:
        """Answer a page of objects, newest first (docs.stripe.com/api/pagination).

        `parents` are what the objects hang under, where asked for; `members` names parameters that filter by
        the member of the same name.
        """
        limit = self.params.get("limit", 10)
        if not 1 <= limit <= 100:
            raise StripeError("Limit must be between 1 and 100.", param="limit")
        after, before = self.params.get("starting_after"), self.params.get("ending_before")
        if after and before:
            raise StripeError("You may only specify one of these parameters: starting_after, ending_before.")
        for name, cursor in (("starting_after", after), ("ending_before", before)):
            if cursor:
                self.world.get(kind, cursor, param=name)
        data, more = self.world.store.page(
            kind,
            limit=limit,
            customer=customer,
            parents=[parent for parent in parents if parent is not None],
            created=self.params.get("created"),
            members={name: self.params[name] for name in members if name in self.params},
            delivered=self.params.get("delivery_success"),
            after=after,
            before=before,
        )
        return {"object": "list", "data": data, "has_more": more, "url": url}


Handler = Callable[[Call], Object]
