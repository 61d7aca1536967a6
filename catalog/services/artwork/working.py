"""Images that feeds announced: fetched, drawn in sizes; and files that no row names any more."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from catalog import pictures
from catalog.models import Artwork
from catalog.models.artwork import MAX_ATTEMPTS
from catalog.services import titles
from catalog.services.artwork import images
from core import outbound
from core.errors import DomainError

logger = logging.getLogger(__name__)

FETCH_SECONDS = 30
FETCHES_AT_ONCE = 8
ORPHANS_KEPT = timedelta(days=1)
"""How long a file stays that no row names: whoever stored it may be about to write the row."""


def work(*, now: datetime, limit: int) -> int:
    """Fetch and resize up to `limit` images that are due; answer how many were taken up.

    Safe to run twice and to be killed: an image is claimed by moving its next attempt ahead. What goes wrong with one
    takes none of their attempts from the others.
    """
    claimed = _claim(now, limit)
    with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        fetched = [(image, pool.submit(_fetched, image.source)) for image in claimed if not image.file]
        for image, answer in fetched:
            with _alone(image):
                _receive(image, answer.result(), now=now)
    for image in claimed:
        if image.file:
            with _alone(image):
                _resize(image, now=now)
    return len(claimed)


def purge_orphans(*, now: datetime) -> int:
    """Delete the files of artwork that no row names any more; answer how many."""
    try:
        folders, _ = default_storage.listdir("artwork")
    except FileNotFoundError:
        return 0
    return sum(_purge_folder(folder, now) for folder in folders)


def _claim(now: datetime, limit: int) -> list[Artwork]:
    with transaction.atomic():
        claimed = list(Artwork.objects.due(now).select_for_update(skip_locked=True, of=("self",))[:limit])
        for image in claimed:
            image.attempts += 1
            # A minute, then four, a quarter of an hour, an hour: a host that is away has time to come back.
            image.due_at = now + timedelta(minutes=4 ** (image.attempts - 1))
        Artwork.objects.bulk_update(claimed, ["attempts", "due_at"])
    return claimed


@contextmanager
def _alone(image: Artwork) -> Iterator[None]:
    """Log what goes wrong with one image, and let the others go on; it is tried again like one that was not fetched."""
    try:
        yield
    except Exception:
        logger.exception("Something outside an image went wrong.", extra={"artwork_id": image.pk})
        Artwork.objects.filter(pk=image.pk).update(problem="Something outside the image went wrong; the log says what.")


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
        images.attach(
            title_id=image.title_id,
            kind=image.kind,
            data=fetched,
            language=image.language,
            region=image.region,
            source=image.source,
            now=now,
        )
    except images.ImageUnknown:
        # Whoever replaced it, or took it away, while it was fetched has the last word.
        return
    except DomainError as error:
        awaiting = Artwork.objects.filter(pk=image.pk, file="")
        awaiting.update(problem=str(error)[:500])
        if not isinstance(error, outbound.FetchFailed):
            # Nothing that time would mend.
            awaiting.update(attempts=MAX_ATTEMPTS)


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
        title = titles.locked(image.title_id)
        current = Artwork.objects.filter(pk=image.pk, file=name)
        # Another image may have taken its place meanwhile.
        if current.update(renditions=renditions, placeholder=placeholder, attempts=0, due_at=None, problem=""):
            images.touched(title, now=now)


def _store(name: str, data: bytes) -> str:
    """Answer the name under which bytes lie; named by content and size, they are stored once."""
    return name if default_storage.exists(name) else default_storage.save(name, ContentFile(data))


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
