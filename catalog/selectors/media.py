"""What can be played of a title, and how far its packaging is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from catalog import terms
from catalog.models import MediaPackage
from catalog.packaging.assembling import DASH_MANIFEST, HLS_MANIFEST, THUMBNAILS


@dataclass(frozen=True)
class Playable:
    """A title's live package. Names are those of files in the storage `packages`, all of them below `folder`.

    Segments and playlists refer to each other by relative names, so whatever serves `folder` serves the film.
    """

    title_id: UUID
    package_id: UUID
    folder: str
    duration_seconds: float
    hls: str
    dash: str
    thumbnails: str
    posters: tuple[str, ...]
    audio: tuple[dict[str, Any], ...]
    text: tuple[dict[str, Any], ...]
    heights: tuple[int, ...]
    formats: tuple[str, ...]
    """Of each height, as what licences know it (`availability.offer`)."""


def manifests(title_id: UUID) -> Playable | None:
    """Answer what players need of a title; None while it has no film that is packaged."""
    return manifests_of([title_id]).get(title_id)


def manifests_of(title_ids: Iterable[UUID]) -> dict[UUID, Playable]:
    """Answer what can be played, by title, in one query."""
    live = MediaPackage.objects.filter(title_id__in=list(title_ids), state=MediaPackage.State.LIVE)
    return {package.title_id: _playable(package) for package in live}


def packages_of(title_id: UUID) -> list[MediaPackage]:
    """Answer a title's packages, newest first, with their sources."""
    return list(MediaPackage.objects.filter(title_id=title_id).select_related("source").order_by("-created_at", "-pk"))


def _playable(package: MediaPackage) -> Playable:
    folder, facts = package.folder, package.facts
    return Playable(
        title_id=package.title_id,
        package_id=package.pk,
        folder=folder,
        duration_seconds=package.duration_seconds or 0.0,
        hls=f"{folder}/{HLS_MANIFEST}",
        dash=f"{folder}/{DASH_MANIFEST}",
        thumbnails=f"{folder}/{THUMBNAILS}",
        posters=tuple(f"{folder}/{name}" for name in facts.get("posters", ())),
        audio=tuple(_named(track) for track in facts.get("audio", ())),
        text=tuple(_named(track) for track in facts.get("text", ())),
        heights=tuple(rung["height"] for rung in facts.get("rungs", ())),
        formats=tuple(terms.format_of(rung["width"], rung["height"]) for rung in facts.get("rungs", ())),
    )


def _named(track: dict[str, Any]) -> dict[str, Any]:
    return {name: track[name] for name in ("language", "label", "role")}
