"""What an account may do at a time: one question, asked whenever somebody wants to watch.

Each source of access (`SOURCES`) answers for itself; the highest tier among them holds, until any of them
changes. The answer is kept in Valkey, for a minute at most and never past its next boundary. Whoever changes
what an answer is made of calls `forget_on_commit` in the same transaction: for subscriptions `services.records`,
through which all writes go, for grants `services.access`, for plans their admin. Inside a transaction nothing is
kept, since what it reads may never be committed; without Valkey each question is a query.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from billing import rules
from billing.models import AccessGrant, Plan, Subscription
from core.revocable import LIFETIME, RevocableCache

MADE_OF = frozenset({"status", "price", "paid_through", "cancel_at", "pause_at", "first_failed_at"})
"""The fields of a subscription that its answer is made of, and no other is read for it."""

_accounts = RevocableCache("entitlement")
_plans = RevocableCache("plan")


@dataclass(frozen=True)
class Entitlement:
    """What an account may do now. The answer may be kept until `valid_until`, and no longer.

    `plan` is the plan whose features apply; None without access.
    """

    access: rules.Access
    plan: Plan | None
    valid_until: datetime | None

    @property
    def entitled(self) -> bool:
        return self.plan is not None


NOTHING = Entitlement(rules.Access.NONE, None, None)

Source = Callable[[UUID, datetime], list[Entitlement]]
"""Answers what one kind of access gives an account at a time. What gives nothing yet, but will, says when."""


def entitlement(*, account_id: UUID, now: datetime) -> Entitlement:
    """Answer what an account may do at `now`."""
    if connection.in_atomic_block:
        return _read(account_id, now)
    name = str(account_id)
    kept = _accounts.read(name)
    if isinstance(kept, bytes):
        found = _decoder.decode(kept)
        if found.since <= now and (found.valid_until is None or now < found.valid_until):
            plan = _plan(found.plan) if found.plan else None
            if plan is not None or found.plan is None:
                return Entitlement(rules.Access(found.access), plan, found.valid_until)
        # Kept for another time than is asked for.
        return _read(account_id, now)
    lease = _accounts.lease(name)
    answer = _read(account_id, now)
    if lease is not None:
        seconds = min(LIFETIME, (answer.valid_until - now).total_seconds()) if answer.valid_until else LIFETIME
        plan_id = answer.plan.pk if answer.plan else None
        _accounts.fill(
            name, lease, _encoder.encode(_Kept(answer.access, plan_id, now, answer.valid_until)), seconds=seconds
        )
    return answer


def forget_on_commit(account_ids: Collection[UUID]) -> None:
    """Ask anew about these accounts once this transaction has committed what changes their answers."""
    if account_ids:
        transaction.on_commit(partial(_accounts.forget, [str(key) for key in account_ids]))


def forget_plan_on_commit(plan_id: UUID) -> None:
    """Read a plan anew once this transaction has committed what changes its features."""
    transaction.on_commit(partial(_plans.forget, [str(plan_id)]))


# ---------------------------------------------------------------- sources


def _of_subscription(account_id: UUID, now: datetime) -> list[Entitlement]:
    # What were read beside these would cost a query of its own, and be noticed.
    found = Subscription.objects.live().filter(account=account_id).only(*MADE_OF, "price__plan")
    subscription = found.select_related("price__plan").first()
    if subscription is None:
        return []
    access, until = rules.access(
        status=rules.Status(subscription.status),
        paid_through=subscription.paid_through,
        cancel_at=subscription.stops_at,
        first_failed_at=subscription.first_failed_at,
        now=now,
    )
    return [Entitlement(access, subscription.price.plan if until else None, until)]


def _of_grants(account_id: UUID, now: datetime) -> list[Entitlement]:
    grants = AccessGrant.objects.ahead(now).filter(account=account_id).select_related("plan").order_by("pk")
    return [
        Entitlement(rules.Access.GRANTED, grant.plan, grant.ends_at)
        if grant.starts_at <= now
        else Entitlement(rules.Access.NONE, None, grant.starts_at)
        for grant in grants
    ]


SOURCES: tuple[Source, ...] = (_of_subscription, _of_grants)


def _read(account_id: UUID, now: datetime) -> Entitlement:
    found = [each for source in SOURCES for each in source(account_id, now)]
    if not found:
        return NOTHING
    # `max` keeps the first of equals: what is paid for comes before what was given.
    best = max(found, key=lambda each: each.plan.tier if each.plan else -1)
    boundaries = [each.valid_until for each in found if each.valid_until]
    return Entitlement(best.access, best.plan, min(boundaries, default=None))


# ---------------------------------------------------------------- what Valkey has


class _Kept(msgspec.Struct, array_like=True):
    """An answer, true of every moment in `[since, valid_until)`."""

    access: str
    plan: UUID | None
    since: datetime
    valid_until: datetime | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Kept)


def _plan(plan_id: UUID) -> Plan | None:
    """Answer a plan; kept apart from the accounts that have it, so that a change of it is one thing to forget."""
    name = str(plan_id)
    kept = _plans.read(name)
    if isinstance(kept, bytes):
        values: dict[str, Any] = msgspec.msgpack.decode(kept)
        known = [field for field in Plan._meta.concrete_fields if field.attname in values]
        return Plan.from_db(
            connection.alias,
            [field.attname for field in known],
            [field.to_python(values[field.attname]) for field in known],
        )
    lease = _plans.lease(name)
    plan = Plan.objects.filter(pk=plan_id).first()
    if lease is not None and plan is not None:
        values = {field.attname: getattr(plan, field.attname) for field in Plan._meta.concrete_fields}
        _plans.fill(name, lease, msgspec.msgpack.encode(values))
    return plan
