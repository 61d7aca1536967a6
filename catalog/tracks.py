"""Sound and subtitles that exist of a title, as the feed format and the table of titles have them. Pure.

These are facts that deliveries and editors state. What can be played is another thing: it is what packaging found in the
title's film, and lies with its package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from catalog import rules

TYPES: Mapping[str, str | Promise] = {"audio": _("Audio"), "subtitle": _("Subtitles")}
CHANNELS = ("1.0", "2.0", "5.1", "7.1", "atmos")
FLAGS: Mapping[str, tuple[str | Promise, str | None]] = {
    "original": (_("Original"), None),
    "audio_description": (_("Audio description"), "audio"),
    "sdh": (_("SDH"), "subtitle"),
    "forced": (_("Forced"), "subtitle"),
}
"""What a track may be, in words, and the type that alone may be it."""
MOST = 200
"""Tracks of one title."""


class TrackInvalid(ValueError):
    """A track that cannot be."""


def read_track(given: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a track as it is stored: type and language, and what else is true of it. Raises TrackInvalid."""
    kind, language = given.get("type"), str(given.get("language") or "").strip()
    if kind not in TYPES:
        raise TrackInvalid(f"A track is {' or '.join(TYPES)}.")
    if not rules.is_language_tag(language):
        raise TrackInvalid(f"{language[:40]!r} is no language tag; write one such as de or pt-BR.")
    track: dict[str, Any] = {"type": kind, "language": language}
    for name, (words, only) in FLAGS.items():
        if given.get(name):
            if only not in (None, kind):
                raise TrackInvalid(f"{words} is said of {str(TYPES[str(only)]).lower()} alone.")
            track[name] = True
    if channels := given.get("channels"):
        if kind != "audio" or channels not in CHANNELS:
            raise TrackInvalid(f"Channels are those of audio: {', '.join(CHANNELS)}.")
        track["channels"] = channels
    return track


def read_tracks(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Answer tracks as they are stored, in their order. Raises TrackInvalid, also for one that is given twice."""
    if len(given) > MOST:
        raise TrackInvalid(f"A title has at most {MOST} tracks.")
    tracks: list[dict[str, Any]] = []
    for one in given:
        if (track := read_track(one)) in tracks:
            raise TrackInvalid(f"The same twice: {in_words(track)}.")
        tracks.append(track)
    return tracks


def in_words(track: Mapping[str, Any]) -> str:
    """Answer a track as editors read it: `de, subtitles, SDH`."""
    kind = str(track.get("type", ""))
    flags = (str(words) for name, (words, _only) in FLAGS.items() if track.get(name))
    said = [words if words.isupper() else words.lower() for words in flags]
    what = str(TYPES.get(kind, kind)).lower()
    return ", ".join(filter(None, (str(track.get("language", "")), what, str(track.get("channels") or ""), *said)))


def licensed_in_words(language: str) -> str:
    """Answer a language of a licence as editors read it: `de`, and `de (audio)` of what the sound alone is meant."""
    tag, _, kind = language.partition(":")
    return f"{tag} ({str(TYPES.get(kind, kind)).lower()})" if kind else tag


def in_film(audio: Iterable[Mapping[str, Any]], text: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Answer the tracks of a packaged film, each once, as facts of its title would state them."""
    found = [
        {"type": "audio", "language": track["language"]}
        | ({"audio_description": True} if track["role"] == "description" else {})
        for track in audio
        if track["role"] != "commentary"
    ]
    found += [
        {"type": "subtitle", "language": track["language"]}
        | ({track["role"]: True} if track["role"] in {"sdh", "forced"} else {})
        for track in text
    ]
    return [track for place, track in enumerate(found) if track not in found[:place]]
