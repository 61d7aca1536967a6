"""Facts that travel upwards: the transactional outbox.

`publish` writes an event beside the change that it tells of, so both commit or neither does, with one
delivery for each subscribed handler. A relay (nudged on commit, run by beat every minute in any case)
calls each handler inside the transaction that records the delivery: a handler may be called again after
a crash, but its writes and its receipt commit together, so each event takes effect once.

An event is a frozen dataclass of plain scalars in an app's `events.py`, named in the past tense. A
handler lives in an app's `handlers.py`, which `AppConfig.ready` imports:

    @subscribe(AccountErased, name="billing.forget_account")
    def forget_account(event: AccountErased, *, now: datetime) -> None: ...

It reaches nothing outside the database: it records an intent and lets a task act on it. Only handlers
that are subscribed when an event is published receive it.
"""

from core.outbox.lanes import Lane
from core.outbox.publication import NotInTransaction, publish
from core.outbox.relaying import relay
from core.outbox.subscriptions import subscribe

__all__ = ["Lane", "NotInTransaction", "publish", "relay", "subscribe"]
