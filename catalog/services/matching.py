"""Joining what is one title, and parting what is two: audited, and reversible."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from catalog.events import TitlePublished, TitleWithdrawn
from catalog.models import (
    AvailabilityWindow,
    CollectionTitle,
    ExternalId,
    MatchCandidate,
    MediaPackage,
    MediaSource,
    MediaSubtitles,
    Provider,
    PublicationEntry,
    SourceRecord,
    Title,
    TitleMerge,
    TitleText,
)
from catalog.models.titles import Kind, State
from catalog.services import identities, kept, search, titles
from core import outbox
from core.errors import DomainError


class CannotMerge(DomainError):
    code = "cannot_merge"
    title = "These titles cannot be merged."
    status = 409


class MergeUnknown(DomainError):
    code = "merge_unknown"
    title = "There is no such merge, or it was undone before."
    status = 404


class MergedSince(DomainError):
    code = "merged_since"
    title = "What it was merged into was merged itself since: undo that merge first."
    status = 409


class SourceUnknown(DomainError):
    code = "source_unknown"
    title = "There is no such record, or it is the title's only one."
    status = 404


@dataclass(frozen=True)
class Parted:
    """What parting two titles came to: the one that is back, or new, and what the two have lost over it.

    `withdrawn` were public and have no record any more that is delivered; `unlicensed` are public, and no licence is left that
    lets anybody see them.
    """

    title: Title
    withdrawn: tuple[Title, ...] = ()
    unlicensed: tuple[Title, ...] = ()


def merge(*, kept_id: UUID, merged_id: UUID, by: str, now: datetime) -> TitleMerge:
    """Make two titles one: `kept` receives the records, ids, licences and parts of `merged`, whose id answers for it from now on.

    What `kept` says of itself stays as it is; later deliveries may fill what it lacks. It takes the places of `merged`
    in collections, and its film where it has none of its own. Seasons and episodes of one number are merged too, each on
    record. Raises TitleUnknown, CannotMerge.
    """
    with transaction.atomic():
        identities.change()
        _lock_with_parts(kept_id, merged_id)
        kept, merged = _locked_pair(kept_id, merged_id)
        if kept.kind != merged.kind:
            raise CannotMerge(
                f"One is of the kind {kept.get_kind_display()}, the other of the kind {merged.get_kind_display()}:"
                " choose two titles of one kind."
            )
        delivered = _is_delivered_for_itself(kept), _is_delivered_for_itself(merged)
        is_retired = SourceRecord.objects.filter(title=merged, retired_at=merged.withdrawn_at or now).exists()
        moved = _move(merged, kept)
        moved["delivered"], moved["retired"] = delivered, is_retired
        moved["within"] = [
            merge(kept_id=own, merged_id=other, by=by, now=now).pk for own, other in _twins(kept, moved["children"])
        ]
        moved["state"] = [
            merged.state,
            merged.published_at.isoformat() if merged.published_at else None,
            merged.withdrawn_at.isoformat() if merged.withdrawn_at else None,
        ]
        done = TitleMerge.objects.create(kept=kept, merged=merged, moved=moved, at=now, by=by)
        if merged.state != State.WITHDRAWN:
            merged.state, merged.withdrawn_at = State.WITHDRAWN, now
            _log(merged, PublicationEntry.Action.WITHDRAWN, f"Merged into {kept.pk}", by=by, now=now)
            outbox.publish(TitleWithdrawn(str(merged.pk), merged.revision + 1), aggregate=f"title:{merged.pk}", now=now)
        merged.merged_into = kept
        _touch(merged, now)
        _touch(kept, now)
        pair = Q(title=kept, other=merged) | Q(title=merged, other=kept)
        MatchCandidate.objects.filter(pair, state=MatchCandidate.State.OPEN).update(
            state=MatchCandidate.State.MERGED, decided_at=now, decided_by=by
        )
        search.rebuild([kept.pk])
    return done


def unmerge(*, merge_id: int, by: str, now: datetime) -> Parted:
    """Undo a merge: what went over comes back, as far as it is still there, and what deliveries have made of it meanwhile.

    A title that was delivered and public, and whose records have all been split off or retired since, is withdrawn: what made
    it public is gone. The next deliveries of both titles are read anew, whatever they say.

    Raises MergeUnknown, MergedSince: of several merges the last is undone first, or what went over would stay behind.
    """
    with transaction.atomic():
        identities.change()
        done = TitleMerge.objects.select_for_update().filter(pk=merge_id, undone_at__isnull=True).first()
        if done is None:
            raise MergeUnknown
        moved: dict[str, Any] = done.moved
        _lock_with_parts(done.kept_id, done.merged_id)
        standing = TitleMerge.objects.filter(pk__in=moved.get("within", []), undone_at__isnull=True).order_by("-pk")
        within = [unmerge(merge_id=inner.pk, by=by, now=now) for inner in standing]
        kept, merged = (titles.locked(pk) for pk in sorted([done.kept_id, done.merged_id]))
        if kept.pk != done.kept_id:
            kept, merged = merged, kept
        if kept.merged_into_id:
            raise MergedSince
        _move_back(moved, kept, merged)
        state, published_at, withdrawn_at = moved["state"]
        # Of merges before this was kept, a title with records is taken for one that its records made public.
        kept_was, merged_was = moved.get("delivered", (False, bool(moved.get("sources"))))
        merged.merged_into = None
        lost = []
        if state == State.PUBLISHED and merged_was and not _is_delivered(merged):
            # It returns with the record that was retired while it was merged, as if it had been withdrawn by that.
            retired = SourceRecord.objects.filter(title=merged, retired_at__gte=done.at).order_by("-retired_at").first()
            merged.withdrawn_at = retired.retired_at if retired else merged.withdrawn_at
            _log(
                merged, PublicationEntry.Action.WITHDRAWN, f"Parted from {kept.pk}, without a delivery", by=by, now=now
            )
            lost.append(merged)
        else:
            merged.state = state
            merged.published_at = datetime.fromisoformat(published_at) if published_at else None
            merged.withdrawn_at = datetime.fromisoformat(withdrawn_at) if withdrawn_at else None
            if state == State.WITHDRAWN and moved.get("retired"):
                _return(merged, now)
            if merged.state == State.PUBLISHED:
                _log(merged, PublicationEntry.Action.PUBLISHED, f"Parted from {kept.pk}", by=by, now=now)
                outbox.publish(
                    TitlePublished(str(merged.pk), merged.revision + 1), aggregate=f"title:{merged.pk}", now=now
                )
        if kept_was and _withdraw_undelivered(kept, f"Parted from {merged.pk}, without a delivery", by=by, now=now):
            lost.append(kept)
        _touch(merged, now)
        _touch(kept, now)
        done.undone_at, done.undone_by = now, by
        done.save(update_fields=["undone_at", "undone_by"])
        search.rebuild([kept.pk, merged.pk])
        return Parted(
            merged,
            withdrawn=(*lost, *(title for each in within for title in each.withdrawn)),
            unlicensed=_unlicensed(merged, kept),
        )


def split(*, source_id: int, by: str, now: datetime) -> Parted:
    """Give one of a title's records a title of its own, a draft that the next delivery fills.

    It takes its licences along. A public title whose other records are all retired is withdrawn. Raises SourceUnknown.
    """
    with transaction.atomic():
        identities.change()
        source = SourceRecord.objects.select_related("provider").filter(pk=source_id).first()
        if source is None or not SourceRecord.objects.filter(title=source.title_id).exclude(pk=source_id).exists():
            raise SourceUnknown
        old = titles.locked(source.title_id)
        new = Title.objects.create(
            kind=old.kind, parent=old.parent, series=old.series, number=old.number, original_title=old.original_title,
            original_language=old.original_language, created_at=now, updated_at=now,
        )  # fmt: skip
        TitleText.objects.bulk_create(
            TitleText(title=new, language=text.language, name=text.name) for text in old.texts.order_by("pk")
        )
        AvailabilityWindow.objects.filter(title=old, source_id=source_id).update(title=new)
        # Without its digest the record is read anew, whatever it says.
        SourceRecord.objects.filter(pk=source_id).update(title=new, digest=b"")
        MatchCandidate.objects.create(
            title=new, other=old, score=0, reasons=[f"parted: {source.provider.code}"], created_at=now, decided_at=now,
            decided_by=by, state=MatchCandidate.State.SEPARATE,
        )  # fmt: skip
        reason = f"Parted from {new.pk}, without a delivery"
        is_lost = source.retired_at is None and _withdraw_undelivered(old, reason, by=by, now=now)
        _touch(old, now)
        titles.touch_wholes(old, now=now)
        search.rebuild([old.pk, new.pk])
        return Parted(new, withdrawn=(old,) if is_lost else (), unlicensed=_unlicensed(old))


def keep_apart(*, candidate_id: int, by: str, now: datetime) -> None:
    """Put on record that two titles are two."""
    undecided = MatchCandidate.objects.filter(pk=candidate_id, state=MatchCandidate.State.OPEN)
    undecided.update(state=MatchCandidate.State.SEPARATE, decided_at=now, decided_by=by)


_TIES: dict[str, tuple[Any, str]] = {
    "sources": (SourceRecord, "title"),
    "external_ids": (ExternalId, "title"),
    "windows": (AvailabilityWindow, "title"),
    "children": (Title, "parent"),
    "parts": (Title, "series"),
    # Whoever was merged before is answered for by the same title, without a chain to follow.
    "merged": (Title, "merged_into"),
    "places": (CollectionTitle, "title"),
    "media_sources": (MediaSource, "title"),
    "media_subtitles": (MediaSubtitles, "title"),
    "media_packages": (MediaPackage, "title"),
}
_MEDIA = (MediaSource, MediaSubtitles, MediaPackage)


def _move(merged: Title, kept: Title) -> dict[str, Any]:
    moved: dict[str, Any] = {}
    has_film = any(model.objects.filter(title=kept).exists() for model in _MEDIA)
    for name, (model, column) in _TIES.items():
        rows = model.objects.filter(**{column: merged})
        if model is CollectionTitle:
            rows = rows.exclude(collection__in=CollectionTitle.objects.filter(title=kept).values("collection"))
        if model in _MEDIA and has_film:
            rows = rows.none()
        moved[name] = [
            str(pk) if isinstance(pk, UUID) else pk for pk in rows.order_by("pk").values_list("pk", flat=True)
        ]
        model.objects.filter(pk__in=moved[name]).update(**{column: kept})
    return moved


def _move_back(moved: dict[str, Any], kept: Title, merged: Title) -> None:
    for name, (model, column) in _TIES.items():
        model.objects.filter(**{"pk__in": moved.get(name, []), column: kept}).update(**{column: merged})
    # A delivery since then has written its licences anew.
    sources = SourceRecord.objects.filter(pk__in=moved.get("sources", []), title=merged)
    AvailabilityWindow.objects.filter(title=kept, source_id__in=sources.values("pk")).update(title=merged)
    # Each may have been given words of the other's record.
    SourceRecord.objects.filter(title__in=[kept, merged]).update(digest=b"")


def _is_delivered(title: Title) -> bool:
    return SourceRecord.objects.filter(title=title, retired_at__isnull=True).exists()


def _is_delivered_for_itself(title: Title) -> bool:
    """Say whether a title has a record, still delivered, beside those that were merged into it."""
    brought = TitleMerge.objects.filter(kept=title, undone_at__isnull=True).values_list("moved", flat=True)
    theirs = [pk for moved in brought for pk in moved.get("sources", [])]
    return SourceRecord.objects.filter(title=title, retired_at__isnull=True).exclude(pk__in=theirs).exists()


def _withdraw_undelivered(title: Title, reason: str, *, by: str, now: datetime) -> bool:
    """Withdraw a locked title that is public and of which no delivery tells any more; the caller saves it."""
    if title.state != State.PUBLISHED or _is_delivered(title):
        return False
    title.state, title.withdrawn_at = State.WITHDRAWN, now
    # The record that was retired last brings it back when it is delivered again: both went at once.
    retired = SourceRecord.objects.filter(title=title).order_by("-retired_at", "-pk")[:1]
    SourceRecord.objects.filter(pk__in=retired.values("pk")).update(retired_at=now)
    _log(title, PublicationEntry.Action.WITHDRAWN, reason, by=by, now=now)
    outbox.publish(TitleWithdrawn(str(title.pk), title.revision + 1), aggregate=f"title:{title.pk}", now=now)
    return True


def _return(title: Title, now: datetime) -> None:
    """Bring a locked title back that a retirement withdrew, if it is delivered again, as its provider has it; the caller saves it."""
    policies = set(
        SourceRecord.objects.filter(title=title, retired_at=None).values_list("provider__publish", flat=True)
    )
    if Provider.Publish.ON_INGEST in policies:
        title.state, title.published_at, title.withdrawn_at = State.PUBLISHED, now, None
    elif policies:
        title.state, title.published_at, title.withdrawn_at = State.DRAFT, None, None


def _unlicensed(*parted: Title) -> tuple[Title, ...]:
    """Answer which of these are public and have no licence, not even by a part of theirs; parts have those of their whole."""
    public = [title for title in parted if title.state == State.PUBLISHED and title.parent_id is None]
    licences = AvailabilityWindow.objects
    return tuple(title for title in public if not licences.filter(Q(title=title) | Q(series_id=title.pk)).exists())


def _lock_with_parts(*title_ids: UUID) -> None:
    """Lock titles with what they belong to and all that belongs to them, in the one order."""
    tied = Title.objects.filter(pk__in=title_ids).values_list("pk", "parent", "series")
    whole = Q(pk__in={pk for row in tied for pk in row if pk})
    whole |= Q(parent__in=title_ids) | Q(parent__parent__in=title_ids)
    list(Title.objects.filter(whole).locked().values_list("pk", flat=True))


def _twins(kept: Title, moved_ids: list[str]) -> list[tuple[UUID, UUID]]:
    """Answer the seasons and episodes of one number that a title has twice now: its own, and the one that came."""
    parts = Title.objects.filter(
        parent=kept, kind__in=[Kind.SEASON, Kind.EPISODE], number__isnull=False, merged_into__isnull=True
    ).order_by("pk")
    came = {UUID(pk) for pk in moved_ids}
    own = {(part.kind, part.number): part.pk for part in parts if part.pk not in came}
    return [
        (own[part.kind, part.number], part.pk) for part in parts if part.pk in came and (part.kind, part.number) in own
    ]


def _locked_pair(kept_id: UUID, merged_id: UUID) -> tuple[Title, Title]:
    if kept_id == merged_id:
        raise CannotMerge("A title cannot be merged with itself.")
    found = {pk: titles.locked(pk) for pk in sorted([kept_id, merged_id])}
    if any(title.merged_into_id for title in found.values()):
        raise CannotMerge("One of them was merged before: choose the title that answers for it.")
    return found[kept_id], found[merged_id]


def _touch(title: Title, now: datetime) -> None:
    kept.changed()
    title.revision += 1
    title.updated_at = now
    title.save(update_fields=["revision", "updated_at", "state", "published_at", "withdrawn_at", "merged_into"])


def _log(title: Title, action: PublicationEntry.Action, reason: str, *, by: str, now: datetime) -> None:
    PublicationEntry.objects.create(
        title=title, action=action, at=now, by=by, revision=title.revision + 1, reason=reason[:500]
    )
