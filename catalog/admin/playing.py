"""A packaged film, watched in the admin as viewers are given it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.core.files.storage import storages
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.urls import path, reverse

from catalog.admin.lists import LargeList
from catalog.models import MediaPackage
from catalog.packaging.assembling import CONTENT_TYPES, HLS_MANIFEST

_NAME = re.compile(r"([\w-]{1,60}/){0,2}[\w-]{1,60}\.\w{1,10}", re.ASCII)
"""What the files of a package are called: nothing of them leads elsewhere, and no storage refuses it."""


class PlayingPages(LargeList):
    """The files of a package, for those who attach films: where they lie, no browser may look."""

    def get_urls(self) -> list[Any]:
        """Add the files."""
        page = self.admin_site.admin_view(self.file, cacheable=True)
        return [
            path("<uuid:package_id>/files/<path:name>", page, name="catalog_mediapackage_file"),
            *super().get_urls(),
        ]

    def file(self, request: HttpRequest, package_id: UUID, name: str) -> HttpResponseBase:
        """Answer a file of a package; playlists name the others relative to themselves."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        package = MediaPackage.objects.filter(pk=package_id).exclude(folder="").first()
        kind = CONTENT_TYPES.get(PurePosixPath(name).suffix)
        if package is None or kind is None or not _NAME.fullmatch(name):
            raise Http404
        try:
            file = storages["packages"].open(f"{package.folder}/{name}")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Http404 from error
        # A package never changes, and the next one has another address.
        return FileResponse(file, content_type=kind, headers={"Cache-Control": "private, max-age=86400, immutable"})


def film_address(package: MediaPackage) -> str:
    """Answer where a browser finds the film; empty for a package without files."""
    return reverse("admin:catalog_mediapackage_file", args=[package.pk, HLS_MANIFEST]) if package.folder else ""
