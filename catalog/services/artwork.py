"""Images of titles: checked, stored, shown."""

from __future__ import annotations

import hashlib
import io
import warnings
from datetime import datetime
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from PIL import Image, UnidentifiedImageError

from catalog.models import Artwork, Title
from catalog.services import titles
from core.errors import DomainError

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 40_000_000
"""7680 by 5120, more than any screen shows; decoded it takes 160 MB."""
FORMATS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "AVIF": "avif"}


class ImageRefused(DomainError):
    code = "image_refused"
    title = "This is not an image that we can show."
    status = 422


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
    width, height, extension = _inspect(data)
    if not Title.objects.filter(pk=title_id).exists():
        raise titles.TitleUnknown(f"There is no title {title_id}.")
    # Named by its content, so that a second attempt finds the first one's file.
    name = f"artwork/{title_id}/{kind}-{hashlib.sha256(data).hexdigest()[:16]}.{extension}"
    if not default_storage.exists(name):
        name = default_storage.save(name, ContentFile(data))
    with transaction.atomic():
        title = titles.locked(title_id)
        image = _row(title, kind, language, source)
        if image.file.name == name:
            return image
        image.file.name, image.width, image.height = name, width, height
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


def _inspect(data: bytes) -> tuple[int, int, str]:
    """Answer width, height and file extension of an image, decoded within bounds to be sure that it is one."""
    if len(data) > MAX_BYTES:
        raise ImageRefused(f"The image has {len(data):,} bytes; {MAX_BYTES:,} are the most. Make it smaller.")
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images; our own bound below refuses them.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                image.load()
                return image.width, image.height, FORMATS[image.format or ""]
    except Image.DecompressionBombError as error:
        raise ImageRefused(f"The image has more than {MAX_PIXELS:,} pixels. Make it smaller.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise ImageRefused("This is no JPEG, PNG, WebP or AVIF image, or it is damaged. Save it anew.") from error
