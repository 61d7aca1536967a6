"""Four eyes on what becomes public: asked by one, decided by another."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction

from catalog.models import Review, Title
from catalog.models.titles import State
from catalog.selectors.revisions import PARTS, snapshot
from catalog.services import editing, publication, titles
from core.errors import DomainError


class ReviewUnknown(DomainError):
    code = "review_unknown"
    title = "There is no such review."
    status = 404


class ReviewOpen(DomainError):
    code = "review_open"
    title = "A review of this title is open; it must be decided or cancelled first."


class ReviewDecided(DomainError):
    code = "review_decided"
    title = "This review has been decided."


class NothingToReview(DomainError):
    code = "nothing_to_review"
    title = "There is nothing to review: the title is public, and no change of it is asked for."
    status = 422


class OwnReview(DomainError):
    code = "own_review"
    title = "Whoever asks for a review does not approve it."
    status = 403


class ReviewOutdated(DomainError):
    code = "review_outdated"
    title = "What was to be changed has been changed meanwhile: ask for the review anew."


def request(
    *,
    title_id: UUID,
    by: str,
    now: datetime,
    note: str = "",
    fields: Mapping[str, Any] | None = None,
    parts: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> Review:
    """Ask that a draft become public, or that a change of a title take effect, once another has looked at it.

    One's own open review is replaced. Raises TitleUnknown, TitleMerged, ReviewOpen, NothingToReview.
    """
    change = _plain(fields or {}, parts or {})
    with transaction.atomic():
        title = titles.changeable(title_id)
        if title.state == State.PUBLISHED and not any(change.values()):
            raise NothingToReview
        Review.objects.filter(title=title, state=Review.State.IN_PROGRESS, requested_by=by).update(
            state=Review.State.CANCELLED, decided_by=by, decided_at=now
        )
        try:
            with transaction.atomic():
                return Review.objects.create(
                    title=title, requested_by=by, requested_at=now, note=note[:1000], before=_touched(title, change),
                    **change,
                )  # fmt: skip
        except IntegrityError as error:
            if "review_one_open" not in str(error):
                raise
            raise ReviewOpen from None


def change(
    *,
    title_id: UUID,
    fields: Mapping[str, Any],
    parts: Mapping[str, Sequence[Mapping[str, Any]]],
    by: str,
    now: datetime,
    may_publish: bool,
    seen: str = "",
) -> Review | None:
    """Change a title; a public one, for whoever may not publish, only once another agrees: then answer the review.

    Which of the two it is, is decided under the title's lock. Raises what `editing.edit` and `request` raise.
    """
    with transaction.atomic():
        title = titles.locked(title_id)
        if may_publish or title.state != State.PUBLISHED:
            editing.edit(title_id=title_id, fields=fields, parts=parts, by=by, now=now, seen=seen)
            return None
        editing.refuse_outdated(title_id, seen)
        return request(title_id=title_id, fields=fields, parts=parts, by=by, now=now)


def revert(
    *, title_id: UUID, number: int, by: str, now: datetime, may_publish: bool, keeping: Collection[str] = ()
) -> Review | None:
    """Make a title again what it was at one of its revisions, or have that reviewed, as `change` does.

    The parts in `keeping` stay as they are. Raises what `editing.revert` and `request_revert` raise.
    """
    with transaction.atomic():
        title = titles.locked(title_id)
        if may_publish or title.state != State.PUBLISHED:
            editing.revert(title_id=title_id, number=number, by=by, now=now, keeping=keeping)
            return None
        return request_revert(title_id=title_id, number=number, by=by, now=now, keeping=keeping)


def request_revert(*, title_id: UUID, number: int, by: str, now: datetime, keeping: Collection[str] = ()) -> Review:
    """Ask that a public title become again what it was at one of its revisions, but for the parts in `keeping`.

    Raises RevisionUnknown, and what `request` raises: NothingToReview if it is that already.
    """
    change = editing.way_back(title_id, number, keeping)
    return request(title_id=title_id, by=by, now=now, note=f"Back to revision {number}", **change)


def approve(*, review_id: int, by: str, now: datetime, comment: str = "") -> Review:
    """Let what was asked for take effect: the change is made, and a draft is published.

    Raises ReviewUnknown, ReviewDecided, OwnReview, ReviewOutdated, and what `editing.edit` and
    `publication.publish` raise; nothing has happened then.
    """
    with transaction.atomic():
        title, review = _open(review_id)
        if review.requested_by == by:
            raise OwnReview
        change = {"fields": review.fields, "parts": review.parts}
        if any(change.values()):
            present = _touched(title, change)
            if any(present[name] != review.before[name] for name in change):
                raise ReviewOutdated
            note = f"Asked for by {review.requested_by}"
            try:
                with transaction.atomic():
                    title = editing.edit(title_id=title.pk, **editing.read(change), by=by, now=now, note=note)
            except editing.StatedTwice:
                raise ReviewOutdated(
                    "What was asked for names what belongs elsewhere now, such as an external id: ask for the review anew."
                ) from None
        if title.state != State.PUBLISHED:
            publication.publish(title_id=title.pk, by=by, now=now, reason=f"Review by {by}")
        return _decide(review, Review.State.APPROVED, by=by, now=now, comment=comment)


def ask_for_changes(*, review_id: int, by: str, now: datetime, comment: str) -> Review:
    """Send a title back to whoever asked. Raises ReviewUnknown, ReviewDecided."""
    with transaction.atomic():
        return _decide(_open(review_id)[1], Review.State.NEEDS_CHANGES, by=by, now=now, comment=comment)


def cancel(*, review_id: int, by: str, now: datetime, comment: str = "") -> Review:
    """Take a request back. Raises ReviewUnknown, ReviewDecided."""
    with transaction.atomic():
        return _decide(_open(review_id)[1], Review.State.CANCELLED, by=by, now=now, comment=comment)


def _open(review_id: int) -> tuple[Title, Review]:
    """Lock an open review, its title first, as everybody does."""
    asked = Review.objects.filter(pk=review_id).first()
    if asked is None:
        raise ReviewUnknown
    title = titles.locked(asked.title_id)
    review = Review.objects.select_for_update(of=("self",)).get(pk=review_id)
    if review.state != Review.State.IN_PROGRESS:
        raise ReviewDecided(f"This review was decided: {review.get_state_display().lower()}.")
    return title, review


def _decide(review: Review, state: Review.State, *, by: str, now: datetime, comment: str) -> Review:
    review.state, review.decided_by, review.decided_at, review.comment = state, by, now, comment[:1000]
    review.save(update_fields=["state", "decided_by", "decided_at", "comment"])
    return review


def _touched(title: Title, change: Mapping[str, Any]) -> dict[str, Any]:
    """Answer what a change would replace, as it is now."""
    present = snapshot(title.pk)
    return {
        "fields": {name: present["fields"][name] for name in change["fields"]},
        "parts": {name: present["parts"][name] for name in change["parts"]},
        "names": present["names"],
    }


def _plain(fields: Mapping[str, Any], parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Answer a change as JSON holds it: related rows by their ids, in the shape of a snapshot."""
    rows = {
        part: [
            {PARTS[part]._meta.get_field(name).name: getattr(value, "pk", value) for name, value in row.items()}
            for row in given
        ]
        for part, given in parts.items()
        if part in PARTS
    }
    plain: dict[str, Any] = orjson.loads(orjson.dumps({"fields": dict(fields), "parts": rows}))
    return plain
