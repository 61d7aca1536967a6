"""Collections and rows, as editors arrange them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from catalog.membership import RuleInvalid, read_rule
from catalog.models import Collection, CollectionTitle, EditorialRow, Title
from catalog.services import identities, kept
from core.errors import DomainError


class CollectionInvalid(DomainError):
    code = "collection_invalid"
    title = "This collection cannot be."
    status = 422


def save(
    *,
    collection_id: UUID,
    fields: Mapping[str, Any],
    now: datetime,
    title_ids: Sequence[UUID] | None = None,
    rows: Sequence[Mapping[str, Any]] | None = None,
) -> Collection:
    """Make a collection under this id, or change the named fields; replace its titles and rows where they are given.

    Titles stand in the order of `title_ids`; in place of one that was merged stands what answers for it, once. Raises
    CollectionInvalid: a title that is not there or twice, a rule that cannot be read.
    """
    with transaction.atomic():
        collection = Collection.objects.select_for_update().filter(pk=collection_id).first()
        if collection is None:
            collection = Collection(pk=collection_id)
        for name, value in fields.items():
            setattr(collection, name, value)
        if collection.kind == Collection.Kind.MANUAL:
            collection.rule = {}
        try:
            read_rule(collection.rule)
        except RuleInvalid as error:
            raise CollectionInvalid(str(error)) from None
        if collection.kind != Collection.Kind.MANUAL and not collection.rule:
            raise CollectionInvalid("A collection by rule needs a rule; without one choose manual.")
        collection.updated_at = now
        collection.save()
        kept.changed()
        if title_ids is not None:
            _arrange(collection, title_ids)
        if rows is not None:
            EditorialRow.objects.filter(collection=collection).delete()
            EditorialRow.objects.bulk_create(EditorialRow(collection=collection, **row) for row in rows)
    return collection


def add(*, collection_id: UUID, title_ids: Sequence[UUID], now: datetime) -> int:
    """Put titles at the end of a collection, those that it lacks; answer how many.

    Raises CollectionInvalid: it is not there, a rule alone fills it, or a title is not there.
    """
    with transaction.atomic():
        collection = Collection.objects.select_for_update().filter(pk=collection_id).first()
        if collection is None:
            raise CollectionInvalid("There is no such collection.")
        if collection.kind == Collection.Kind.RULE:
            raise CollectionInvalid(f"A rule alone fills {collection}: make it a mixed one to add titles by hand.")
        members = CollectionTitle.objects.filter(collection=collection).order_by("position", "pk")
        present = list(members.values_list("title_id", flat=True))
        answering = identities.answering(Title, {*present, *title_ids})
        there = {answering[title_id] for title_id in present}
        wanted = dict.fromkeys(answering.get(title_id, title_id) for title_id in title_ids)
        if new := [title_id for title_id in wanted if title_id not in there]:
            _arrange(collection, [*present, *new])
            Collection.objects.filter(pk=collection_id).update(updated_at=now)
            kept.changed()
    return len(new)


def delete(*, collection_id: UUID) -> None:
    """Take a collection and its rows away. One that is not there is no error."""
    with transaction.atomic():
        Collection.objects.filter(pk=collection_id).delete()
        kept.changed()


def _arrange(collection: Collection, title_ids: Sequence[UUID]) -> None:
    if len(set(title_ids)) != len(title_ids):
        raise CollectionInvalid("A title stands in a collection once: take the second one out.")
    answering = identities.answering(Title, title_ids)
    if missing := [title_id for title_id in title_ids if title_id not in answering]:
        raise CollectionInvalid(f"There is no title {missing[0]}.")
    CollectionTitle.objects.filter(collection=collection).delete()
    CollectionTitle.objects.bulk_create(
        CollectionTitle(collection=collection, title_id=title_id, position=position)
        for position, title_id in enumerate(dict.fromkeys(answering[title_id] for title_id in title_ids))
    )
