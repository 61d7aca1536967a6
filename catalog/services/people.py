"""People: joining what is one person, parting namesakes. Audited, and reversible."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet

from catalog.models import Credit, Person, PersonMerge, PersonSource, Title
from catalog.services import identities, revisions, search
from catalog.services import kept as answers
from core.errors import DomainError

_CREDIT = ("title_id", "job", "job_display", "character")
AT_ONCE = 200
"""So many titles the search reads anew with a change of who is credited; of more it follows minutes later."""


class PersonUnknown(DomainError):
    code = "person_unknown"
    title = "There is no such person."
    status = 404


class CannotMergePeople(DomainError):
    code = "cannot_merge_people"
    title = "These people cannot be merged."


class PersonMergeUnknown(DomainError):
    code = "person_merge_unknown"
    title = "There is no such merge, or it was undone before."
    status = 404


class PersonMergedSince(DomainError):
    code = "person_merged_since"
    title = "Who they were merged into was merged since: undo that merge first."
    status = 409


class PersonMerged(DomainError):
    code = "person_merged"
    title = "They were merged into another person, who answers for them: make your change there."


class NameMissing(DomainError):
    code = "person_name_missing"
    title = "A person has a name."
    status = 422


def create(*, person_id: UUID, name: str, by: str) -> Person:
    """Make a person whom no delivery names, under a new id. Raises NameMissing."""
    if not name.strip():
        raise NameMissing
    return Person.objects.create(id=person_id, name=name.strip(), named_by=by)


def rename(*, person_id: UUID, name: str, by: str) -> Person:
    """Spell a person's name as editors do, wherever it is shown and searched, whatever deliveries say from then on.

    Raises PersonUnknown, PersonMerged, NameMissing.
    """
    if not name.strip():
        raise NameMissing
    with transaction.atomic():
        # A delivery that has read the old name ends first: the search then follows in its titles too.
        identities.change()
        person = _changeable(person_id)
        if person.name != name.strip():
            person.name, person.named_by = name.strip(), by
            person.save(update_fields=["name", "named_by"])
            answers.changed()
            search.note_rename(named=person)
    return person


def merge(*, kept_id: UUID, merged_id: UUID, by: str, now: datetime) -> PersonMerge:
    """Make two people one: `kept` receives the credits of `merged`, whose id answers for it from now on.

    Later deliveries that mean `merged` mean `kept`. Raises PersonUnknown, CannotMergePeople.
    """
    with transaction.atomic():
        identities.change()
        _lock_titles(Credit.objects.filter(person=merged_id))
        kept, merged = _locked(kept_id, merged_id)
        ours = set(Credit.objects.filter(person=kept).values_list(*_CREDIT))
        both: list[Credit] = []
        moving: list[Credit] = []
        for credit in Credit.objects.filter(person=merged).order_by("pk"):
            (both if tuple(getattr(credit, name) for name in _CREDIT) in ours else moving).append(credit)
        moved: dict[str, Any] = {
            "credits": [credit.pk for credit in moving],
            "given_up": [
                {name: str(getattr(credit, name)) for name in _CREDIT}
                # An earlier merge that is undone afterwards knows it by its id.
                | {"id": credit.pk, "billing": credit.billing, "guest": credit.guest}
                for credit in both
            ],
            "sources": list(PersonSource.objects.filter(person=merged).order_by("pk").values_list("pk", flat=True)),
            "people": [
                str(pk) for pk in Person.objects.filter(merged_into=merged).order_by("pk").values_list("pk", flat=True)
            ],
        }
        Credit.objects.filter(pk__in=[credit.pk for credit in both]).delete()
        Credit.objects.filter(pk__in=moved["credits"]).update(person=kept)
        PersonSource.objects.filter(pk__in=moved["sources"]).update(person=kept)
        # Whoever was merged before is answered for by the same person, without a chain to follow.
        Person.objects.filter(merged_into=merged).update(merged_into=kept)
        Person.objects.filter(pk=merged.pk).update(merged_into=kept)
        # Deliveries go on spelling the other's name.
        Person.objects.filter(pk=kept.pk, named_by="").update(named_by=by)
        _touch({credit.title_id for credit in (*both, *moving)}, kept, now)
        return PersonMerge.objects.create(kept=kept, merged=merged, moved=moved, at=now, by=by)


def unmerge(*, merge_id: int, by: str, now: datetime) -> Person:
    """Undo a merge: what went over comes back, as far as it is still there.

    Raises PersonMergeUnknown, PersonMergedSince: of several merges the last is undone first.
    """
    with transaction.atomic():
        identities.change()
        done = PersonMerge.objects.select_for_update().filter(pk=merge_id, undone_at__isnull=True).first()
        if done is None:
            raise PersonMergeUnknown
        moved: dict[str, Any] = done.moved
        _lock_titles(Credit.objects.filter(pk__in=moved["credits"]), {row["title_id"] for row in moved["given_up"]})
        kept, merged = _locked(done.kept_id, done.merged_id, again=True)
        if kept.merged_into_id:
            raise PersonMergedSince
        back = Credit.objects.filter(pk__in=moved["credits"], person=kept)
        titles = set(back.values_list("title_id", flat=True))
        back.update(person=merged)
        still = set(
            Title.objects.filter(pk__in=[row["title_id"] for row in moved["given_up"]]).values_list("pk", flat=True)
        )
        Credit.objects.bulk_create(
            [Credit(person=merged, **row) for row in moved["given_up"] if UUID(row["title_id"]) in still],
            ignore_conflicts=True,
        )
        PersonSource.objects.filter(pk__in=moved["sources"], person=kept).update(person=merged)
        Person.objects.filter(pk__in=moved["people"], merged_into=kept).update(merged_into=merged)
        Person.objects.filter(pk=merged.pk).update(merged_into=None)
        _touch(titles | still, merged, now)
        done.undone_at, done.undone_by = now, by
        done.save(update_fields=["undone_at", "undone_by"])
        merged.refresh_from_db()
        return merged


def split(*, person_id: UUID, credit_ids: Collection[int], name: str, by: str, now: datetime) -> Person:
    """Give some of a person's credits to a new person, a namesake. Raises PersonUnknown, PersonMerged, CannotMergePeople (no such credit).

    A later delivery that names both alike means the first again: its editors' credits stay as they are here. Each title
    that names them has a version that says so; a merge joins the two again.
    """
    with transaction.atomic():
        identities.change()
        _lock_titles(Credit.objects.filter(person=person_id, pk__in=credit_ids))
        person = _changeable(person_id)
        credits_ = Credit.objects.filter(person=person, pk__in=credit_ids)
        titles = set(credits_.values_list("title_id", flat=True))
        if not titles:
            raise CannotMergePeople("Choose at least one credit of this person.")
        revisions.keep_first(titles, now=now)
        other = Person.objects.create(name=name or person.name)
        credits_.update(person=other)
        for title in Title.objects.filter(pk__in=titles).locked():
            title.edited = sorted({*title.edited, "credits"})
            title.save(update_fields=["edited"])
        _touch(titles, other, now)
        revisions.keep(titles, by=by, now=now, note=f"Another {person.name} than before: {other.name}", always=True)
        return other


def _changeable(person_id: UUID) -> Person:
    """Lock somebody who is to be changed. Raises PersonUnknown, and PersonMerged if another answers for them."""
    person = Person.objects.select_for_update(of=("self",)).filter(pk=person_id).first()
    if person is None:
        raise PersonUnknown
    if person.merged_into_id:
        raise PersonMerged
    return person


def _lock_titles(credits_: QuerySet[Credit], title_ids: Collection[str] = ()) -> None:
    """Lock what is credited to somebody, with what it belongs to, before they are locked.

    Editors who credit them take both in this order.
    """
    credited = {*credits_.values_list("title_id", flat=True), *map(UUID, title_ids)}
    list(Title.objects.filter(pk__in=credited | _wholes(credited)).locked().values_list("pk", flat=True))


def _wholes(title_ids: Collection[UUID]) -> set[UUID]:
    parts = Title.objects.filter(pk__in=title_ids).exclude(parent=None, series=None)
    return {pk for ties in parts.values_list("parent", "series") for pk in ties if pk}


def _locked(kept_id: UUID, merged_id: UUID, *, again: bool = False) -> tuple[Person, Person]:
    if kept_id == merged_id:
        raise CannotMergePeople("A person cannot be merged with themselves.")
    rows = Person.objects.filter(pk__in=[kept_id, merged_id]).order_by("pk").select_for_update(of=("self",))
    found = {person.pk: person for person in rows}
    if len(found) != 2:
        raise PersonUnknown
    if not again and any(person.merged_into_id for person in found.values()):
        raise CannotMergePeople("One of them was merged before: choose the person who answers for them.")
    return found[kept_id], found[merged_id]


def _touch(title_ids: set[UUID], person: Person, now: datetime) -> None:
    """Raise the revision of locked titles, all of which name somebody now, and let the search read them anew.

    Deliveries wait until this has ended: of very many titles, the search follows afterwards.
    """
    if not title_ids:
        return
    answers.changed()
    touched = Title.objects.filter(pk__in=title_ids | _wholes(title_ids))
    touched.update(revision=F("revision") + 1, updated_at=now)
    if len(title_ids) <= AT_ONCE:
        search.rebuild(list(title_ids))
    else:
        search.note_rename(named=person)
