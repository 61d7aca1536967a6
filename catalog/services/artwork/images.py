"""Images of titles: taken from editors and deliveries, described, focused, removed.

What an editor does to them waits for nobody who keeps the title, leaves a revision that says what was done
(a revert brings no image back), and keeps later deliveries from the title's images.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q

from catalog import pictures, rules
from catalog.models import Artwork, Title
from catalog.services import locks, revisions, titles
from core import geo
from core.errors import DomainError


class ImageRefused(DomainError):
    code = "image_refused"
    title = "This is not an image that we can show."
    status = 422


class ImageUnknown(DomainError):
    code = "image_unknown"
    title = "There is no such image."
    status = 404


class ImageExists(DomainError):
    code = "image_exists"
    title = "The title has such an image already."


class NothingToRetry(DomainError):
    code = "image_nothing_to_retry"
    title = "Nothing went wrong with this image that another attempt could mend."


def attach(
    *,
    title_id: UUID,
    kind: str,
    data: bytes,
    now: datetime,
    by: str = "",
    may_publish: bool = True,
    language: str = "",
    region: str = "",
    source: str = "",
    focal_point: tuple[float, float] | None = None,
) -> Artwork:
    """Store an image of a title and show it.

    `kind` is one of Artwork.Kind. With `source`, the address or name under which a feed announced the
    image, the announced row receives it and keeps what the feed said about it. Without `source`, it is an editor's (`by`)
    and takes the place of the title's first image of its kind, language and `region`: the country for which it is made,
    or empty. The same image again changes nothing.
    Raises ImageRefused, TitleUnknown; of an editor also TitleMerged, TitleLocked, and TitlePublic without `may_publish`; of a feed ImageUnknown
    when no row awaits it any more, since an editor or a later delivery came first.
    """
    _check_place(language, region)
    try:
        facts = pictures.inspect(data)
    except pictures.Unusable as error:
        raise ImageRefused(str(error)) from error
    if not Title.objects.filter(pk=title_id).exists():
        raise titles.TitleUnknown(f"There is no title {title_id}.")
    # Named by its content, so that a second attempt finds the first one's file.
    name = f"artwork/{title_id}/{kind}-{hashlib.sha256(data).hexdigest()[:16]}.{facts.extension}"
    if not default_storage.exists(name):
        name = default_storage.save(name, ContentFile(data))
    with transaction.atomic():
        # What a feed announced for a title that was merged since is fetched all the same: the two may be parted again.
        title = titles.locked(title_id) if source else titles.changeable(title_id)
        if not source:
            _refuse(title, by=by, may_publish=may_publish)
        image = _row(title, kind, language, region, source, name)
        if image.file.name == name:
            return image
        verb = "replaced" if image.file else "added"
        image.file.name, image.width, image.height = name, facts.width, facts.height
        _draw_anew(image)
        if focal_point is not None:
            image.focal_x, image.focal_y = focal_point
        elif not source:
            # Where the one before it was looked at says nothing of this one.
            image.focal_x, image.focal_y = 0.5, 0.5
        image.save()
        if source:
            touched(title, now=now)
        else:
            _edited(title, by=by, now=now, note=f"{_called(image)} {verb}")
    return image


def describe(
    *, image_id: int, kind: str, language: str, by: str, now: datetime, region: str = "", may_publish: bool = True
) -> Artwork:
    """Say what an image is: one of Artwork.Kind, the language of its words (empty: none), the country it is made for.

    Raises ImageUnknown, ImageRefused (no language, no country), ImageExists, TitleMerged, TitleLocked, TitlePublic.
    """
    _check_place(language, region)
    with transaction.atomic():
        title, image = _locked(image_id)
        _refuse(title, by=by, may_publish=may_publish)
        if (image.kind, image.language, image.region) == (kind, language, region):
            return image
        others = Artwork.objects.filter(
            title=title, kind=kind, language=language, region=region, position=image.position
        )
        if others.exists():
            raise ImageExists(
                f"The title has an image of this kind {spoken(language, region)} already. Remove that one first."
            )
        before = _called(image)
        if image.kind != kind:
            _draw_anew(image)
        image.kind, image.language, image.region = kind, language, region
        image.save()
        _edited(title, by=by, now=now, note=f"{before} is now: {_called(image).lower()}")
    return image


def focus(*, image_id: int, point: tuple[float, float], by: str, now: datetime, may_publish: bool = True) -> Artwork:
    """Say what must stay in view when an image is cropped, as shares of width and height.

    Raises ImageUnknown, TitleMerged, TitleLocked, TitlePublic.
    """
    with transaction.atomic():
        title, image = _locked(image_id)
        _refuse(title, by=by, may_publish=may_publish)
        image.focal_x, image.focal_y = (min(1.0, max(0.0, share)) for share in point)
        image.save(update_fields=["focal_x", "focal_y"])
        note = f"{_called(image)} focused at {image.focal_x:.0%}, {image.focal_y:.0%}"
        _edited(title, by=by, now=now, note=note)
    return image


def remove(*, image_id: int, by: str, now: datetime, may_publish: bool = True) -> None:
    """Take an image from its title, for good: later deliveries do not bring it back.

    Raises ImageUnknown, TitleMerged, TitleLocked, TitlePublic.
    """
    with transaction.atomic():
        title, image = _locked(image_id)
        _refuse(title, by=by, may_publish=may_publish)
        image.delete()
        _edited(title, by=by, now=now, note=f"{_called(image)} removed")


def retry(*, image_id: int) -> Artwork:
    """Have an image fetched or drawn again, at once, that could not be. Raises ImageUnknown, TitleMerged, NothingToRetry."""
    with transaction.atomic():
        _, image = _locked(image_id)
        if not image.problem:
            raise NothingToRetry
        image.attempts, image.due_at, image.problem = 0, None, ""
        image.save(update_fields=["attempts", "due_at", "problem"])
    return image


def touched(title: Title, *, now: datetime) -> None:
    """Tell that what is answered about a locked title has changed."""
    title.revision += 1
    title.updated_at = now
    title.save(update_fields=["edited", "revision", "updated_at"])
    titles.touch_wholes(title, now=now)


def _row(title: Title, kind: str, language: str, region: str, source: str, name: str) -> Artwork:
    images = Artwork.objects.filter(title=title, kind=kind)
    if source:
        announced = images.filter(Q(file="") | Q(file=name), source=source).order_by("pk").first()
        if announced is None:
            raise ImageUnknown(f"No image of {title} awaits {source[:200]} any more.")
        return announced
    first = images.filter(language=language, region=region, position=0).first()
    return first or Artwork(title=title, kind=kind, language=language, region=region)


def _locked(image_id: int) -> tuple[Title, Artwork]:
    """Lock an image that is to be changed, its title first, as everybody does."""
    title_id = Artwork.objects.filter(pk=image_id).values_list("title_id", flat=True).first()
    if title_id is not None:
        title = titles.changeable(title_id)
        # It may have gone while we waited.
        if image := Artwork.objects.select_for_update(of=("self",)).filter(pk=image_id).first():
            return title, image
    raise ImageUnknown(f"There is no image {image_id}.")


def _refuse(title: Title, *, by: str, may_publish: bool) -> None:
    locks.refuse_others(title, by=by)
    titles.refuse_public(title, may_publish=may_publish)
    if not by:
        raise ValueError("An editor's image says whose it is.")


def _edited(title: Title, *, by: str, now: datetime, note: str) -> None:
    title.edited = sorted({*title.edited, "artwork"})
    touched(title, now=now)
    revisions.keep([title.pk], by=by, now=now, note=note, always=True)


def _draw_anew(image: Artwork) -> None:
    image.renditions, image.placeholder = [], ""
    image.attempts, image.due_at, image.problem = 0, None, ""


def spoken(language: str, region: str = "") -> str:
    """Answer what is said of an image's words and place: `in de for AT`."""
    return (f"in {language}" if language else "without words") + (f" for {region}" if region else "")


def _check_place(language: str, region: str) -> None:
    if language and not rules.is_language_tag(language):
        raise ImageRefused(f"{language!r} is no language tag; write one such as de or pt-BR, or none.")
    if region and not geo.is_country(region):
        raise ImageRefused(f"{region!r} is no country code; write one such as AT or BR, or none.")


def _called(image: Artwork) -> str:
    return f"{image.kind.capitalize()} {spoken(image.language, image.region)}"
