"""Files of the demo that the database still names but that are gone: they are forgotten, and so made again.

So it is after a part of `.local` was deleted, or when DATABASE_URL names the database of another checkout.
"""

from __future__ import annotations

from datetime import datetime

from django.core.files.storage import default_storage, storages

from catalog.models import Artwork, MediaPackage, MediaSource
from catalog.packaging.assembling import HLS_MANIFEST
from local.demo import film, titles

State = MediaPackage.State


def forget(*, now: datetime) -> bool:
    """Forget what is gone of the demo's pictures and of its film; answer whether anything was.

    One picture stands for all: whatever looks at each would make every start wait for a distant storage.
    """
    return any([_forget_pictures(), _forget_film(now)])


def _forget_pictures() -> bool:
    drawn = Artwork.objects.filter(title__in=titles.of_the_feed(), source__gt="").exclude(file="")
    first = drawn.order_by("pk").first()
    if first is None or default_storage.exists(str(first.file.name)):
        return False
    gone = [image.pk for image in drawn if not default_storage.exists(str(image.file.name))]
    Artwork.objects.filter(pk__in=gone).update(file="", renditions=[], placeholder="", attempts=0, due_at=None)
    return True


def _forget_film(now: datetime) -> bool:
    gone = [package.pk for package in film.packages() if not _is_there(package)]
    if gone:
        MediaSource.objects.filter(packages__in=gone).update(file="")
        MediaPackage.objects.filter(pk__in=gone).update(state=State.RETIRED, retired_at=now, lease=None, folder="")
    return bool(gone)


def _is_there(package: MediaPackage) -> bool:
    if package.state == State.LIVE:
        return storages["packages"].exists(f"{package.folder}/{HLS_MANIFEST}")
    # What it is made of, while it is not made.
    return bool(package.source.file) and storages["private"].exists(package.source.file)
