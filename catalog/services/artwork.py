"""Images of titles: checked, stored, shown."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from catalog import pictures
from catalog.models import Artwork, Title
from catalog.models.artwork import MAX_ATTEMPTS
from catalog.services import titles
from core import outbound
from core.errors import DomainError

logger = logging.getLogger(__name__)

FETCH_SECONDS = 30
FETCHES_AT_ONCE = 8
ORPHANS_KEPT = timedelta(days=1)
"""How long a file stays that no row names: whoever stored it may be about to write the row."""


class ImageRefused(DomainError):
    code = "image_refused"
    title = "This is not an image that we can show."
    status = 422


class ImageUnknown(DomainError):
    code = "image_unknown"
    title = "There is no such image."
    status = 404


def attach(
    *,
    title_id: UUID,
    kind: str,
    data: bytes,
    now: datetime,
    language: str = "",
    source: str = "",
    focal_point: tuple[float, float] | None = None,
) -> Artwork:
    """Store an image of a title and show it.

    `kind` is one of Artwork.Kind. With `source`, the address or name under which a feed announced the
    image, the announced row receives it and keeps what the feed said about it. Without, it becomes
    the title's first image of its kind and language, and later deliveries leave the title's images
    alone. The same image again changes nothing. Raises ImageRefused, TitleUnknown.
    """
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
        title = titles.locked(title_id)
        image = _row(title, kind, language, source)
        if image.file.name == name:
            return image
        image.file.name, image.width, image.height = name, facts.width, facts.height
        image.renditions, image.placeholder = [], ""
        image.attempts, image.due_at, image.problem = 0, None, ""
        if focal_point is not None:
            image.focal_x, image.focal_y = focal_point
        image.save()
        if not source:
            title.edited = sorted({*title.edited, "artwork"})
        title.revision += 1
        title.updated_at = now
        title.save(update_fields=["edited", "revision", "updated_at"])
        titles.touch_wholes(title, now=now)
    return image


def _row(title: Title, kind: str, language: str, source: str) -> Artwork:
    images = Artwork.objects.filter(title=title, kind=kind)
    if source and (announced := images.filter(source=source).first()):
        return announced
    first = images.filter(language=language, position=0).first()
    return first or Artwork(title=title, kind=kind, language=language, source=source)


def work(*, now: datetime, limit: int) -> int:
    """Fetch and resize up to `limit` images that are due; answer how many were taken up.

    Safe to run twice and to be killed: an image is claimed by moving its next attempt ahead.
    """
    claimed = _claim(now, limit)
    announced = [image for image in claimed if not image.file]
    with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        for image, fetched in zip(announced, pool.map(_fetched, [image.source for image in announced]), strict=True):
            _receive(image, fetched, now=now)
    for image in claimed:
        if image.file:
            _resize(image, now=now)
    return len(claimed)


def focus(*, image_id: int, point: tuple[float, float], now: datetime) -> Artwork:
    """Say what must stay in view when an image is cropped. Raises ImageUnknown."""
    with transaction.atomic():
        image = _locked(image_id)
        image.focal_x, image.focal_y = (min(1.0, max(0.0, share)) for share in point)
        image.save(update_fields=["focal_x", "focal_y"])
        _changed(image, now=now, by_editor=True)
    return image


def remove(*, image_id: int, now: datetime) -> None:
    """Take an image from its title, for good: later deliveries do not bring it back. Raises ImageUnknown."""
    with transaction.atomic():
        image = _locked(image_id)
        image.delete()
        _changed(image, now=now, by_editor=True)


def purge_orphans(*, now: datetime) -> int:
    """Delete the files of artwork that no row names any more; answer how many."""
    try:
        folders, _ = default_storage.listdir("artwork")
    except FileNotFoundError:
        return 0
    return sum(_purge_folder(folder, now) for folder in folders)


def _claim(now: datetime, limit: int) -> list[Artwork]:
    with transaction.atomic():
        images = list(Artwork.objects.due(now).select_for_update(skip_locked=True, of=("self",))[:limit])
        for image in images:
            image.attempts += 1
            # A minute, then four, a quarter of an hour, an hour: a host that is away has time to come back.
            image.due_at = now + timedelta(minutes=4 ** (image.attempts - 1))
        Artwork.objects.bulk_update(images, ["attempts", "due_at"])
    return images


def _fetched(source: str) -> bytes | DomainError:
    into = io.BytesIO()
    try:
        outbound.fetch(
            source, into=into, most=pictures.MAX_BYTES, seconds=FETCH_SECONDS,
            headers={"Accept": "image/avif,image/webp,image/png,image/jpeg"},
        )  # fmt: skip
    except DomainError as error:
        return error
    return into.getvalue()


def _receive(image: Artwork, fetched: bytes | DomainError, *, now: datetime) -> None:
    try:
        if isinstance(fetched, DomainError):
            raise fetched
        attach(
            title_id=image.title_id,
            kind=image.kind,
            data=fetched,
            language=image.language,
            source=image.source,
            now=now,
        )
    except outbound.FetchFailed as error:
        Artwork.objects.filter(pk=image.pk).update(problem=str(error)[:500])
    except DomainError as error:
        # Nothing that time would mend.
        Artwork.objects.filter(pk=image.pk).update(problem=str(error)[:500], attempts=MAX_ATTEMPTS)


def _resize(image: Artwork, *, now: datetime) -> None:
    name = str(image.file.name)
    try:
        with default_storage.open(name) as file:
            made, placeholder = pictures.render(file.read(), image.kind)
    except (pictures.Unusable, FileNotFoundError) as error:
        logger.exception("An image could not be resized.", extra={"artwork_id": image.pk})
        Artwork.objects.filter(pk=image.pk).update(problem=str(error)[:500])
        return
    stem = name.rpartition(".")[0]
    renditions = [
        {
            "width": size.width,
            "height": size.height,
            "avif": _store(f"{stem}-{size.width}.avif", size.avif),
            "webp": _store(f"{stem}-{size.width}.webp", size.webp),
        }
        for size in made
    ]
    with transaction.atomic():
        titles.locked(image.title_id)
        current = Artwork.objects.filter(pk=image.pk, file=name)
        # Another image may have taken its place meanwhile.
        if current.update(renditions=renditions, placeholder=placeholder, attempts=0, due_at=None, problem=""):
            _changed(image, now=now, by_editor=False)


def _store(name: str, data: bytes) -> str:
    """Answer the name under which bytes lie; named by content and size, they are stored once."""
    return name if default_storage.exists(name) else default_storage.save(name, ContentFile(data))


def _locked(image_id: int) -> Artwork:
    found = Artwork.objects.filter(pk=image_id).first()
    if found is None:
        raise ImageUnknown(f"There is no image {image_id}.")
    titles.locked(found.title_id)
    return found


def _changed(image: Artwork, *, now: datetime, by_editor: bool) -> None:
    """Tell that what is answered about a locked title has changed."""
    title = titles.locked(image.title_id)
    if by_editor:
        title.edited = sorted({*title.edited, "artwork"})
    title.revision += 1
    title.updated_at = now
    title.save(update_fields=["edited", "revision", "updated_at"])
    titles.touch_wholes(title, now=now)


def _purge_folder(folder: str, now: datetime) -> int:
    _, names = default_storage.listdir(f"artwork/{folder}")
    stored = {f"artwork/{folder}/{name}" for name in names}
    wanted = set(_names(Artwork.objects.filter(title_id=folder)))
    number = 0
    for name in sorted(stored - wanted):
        if default_storage.get_modified_time(name) <= now - ORPHANS_KEPT:
            default_storage.delete(name)
            number += 1
    return number


def _names(images: Iterable[Artwork]) -> Iterable[str]:
    for image in images:
        yield str(image.file.name)
        for size in image.renditions:
            yield from (size["avif"], size["webp"])
