"""What workers leave behind as codes and English words, in the language at hand: problems of deliveries, steps and failures of packaging."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

PROBLEMS: Mapping[str, Promise] = {
    "added_before_release": _("Added to the catalogue before it was released."),
    "both": _("Included and excluded at once."),
    "duplicate": _("Stands there twice; once is kept."),
    "ends_before_start": _("Ends before it begins."),
    "excludes_all": _("Excludes the whole world."),
    "external_id_taken": _("Another title has this id."),
    "impossible_date": _("No date of the calendar."),
    "invalid_csv": _("The table cannot be read."),
    "invalid_json": _("The JSON cannot be read."),
    "invisible_characters": _("Invisible characters were taken out."),
    "line_break": _("Line breaks became spaces."),
    "line_too_long": _("The line is too long."),
    "linked": _("Is a title that is there already."),
    "lost_characters": _("Characters were lost before they came here."),
    "markup": _("Markup was taken out."),
    "missing": _("Something that is needed is missing."),
    "mojibake": _("Text in a wrong encoding."),
    "more_assets": _("The first asset alone is licensed."),
    "more_pages": _("The feed has further pages."),
    "no_address": _("The address is missing."),
    "no_schema": _("There is no schema of this version."),
    "no_version": _("No version is named."),
    "not_an_object": _("No JSON object."),
    "not_approved": _("Not approved yet."),
    "not_kept": _("There is no place for it here."),
    "other_version": _("Read by the rules of the nearest version."),
    "part_of_country": _("Part of a country; licences hold for whole ones."),
    "possible_duplicate": _("Perhaps the same title twice in this delivery."),
    "possible_match": _("Perhaps a title that is there already: it waits among the match candidates."),
    "refused_by_database": _("The database refused it."),
    "regional_place": _("Has another place in another order."),
    "repeated": _("Stands there more than once; the first counts."),
    "repeated_id": _("The same id stands twice in the delivery."),
    "revoked": _("Revoked by the licensor."),
    "row_too_long": _("The row is too long."),
    "schema": _("Does not follow the schema."),
    "shifted_column": _("Columns are shifted."),
    "stray_comma": _("A comma too many was taken out."),
    "too_long": _("Too long."),
    "unended": _("The last line does not end."),
    "unknown_country": _("No country that we know."),
    "unknown_duration": _("No running time that we can read."),
    "unknown_format": _("No format that we know."),
    "unknown_id": _("An id that nothing has."),
    "unknown_language": _("No language that we know."),
    "unknown_licence": _("No licence type that we know."),
    "unknown_parent": _("What it belongs to is not there."),
    "unknown_rating": _("No age rating that we know."),
    "unknown_type": _("No type that we know."),
    "unlikely": _("An unlikely value was left out."),
    "unrated": _("Comes without an age rating."),
    "unsupported": _("Nothing that is kept here."),
    "unusable": _("Cannot be used."),
    "white_space": _("White space was tidied up."),
    "wrong_check_character": _("The check character is wrong."),
    "wrong_columns": _("Columns that are not of this format."),
}


STEPS: Mapping[str, Promise] = {
    "Begins again": _("Begins again"),
    "Cutting segments": _("Cutting segments"),
    "Looking into the file": _("Looking into the file"),
    "Picture": _("Picture"),
    "Pictures for seeking": _("Pictures for seeking"),
    "Replaced by a newer one": _("Replaced by a newer one"),
    "Sound": _("Sound"),
    "Storing": _("Storing"),
    "Subtitles": _("Subtitles"),
}
"""What packaging is at, as it says itself; after a colon it says of which track."""


TOLD: tuple[Promise, ...] = (
    _(
        "The file is damaged, cut off, or no video of a kind that we read (MP4, MOV, MKV, MXF, MPEG-TS, AVI and others). Export it again."
    ),
    _("The picture is in a format that we do not read. Export it as H.264, HEVC or ProRes."),
    _("The file is protected by DRM. Export it without protection."),
    _("The file has only sound. Attach one with a moving picture."),
    _("The file has neither picture nor sound. Attach one with a moving picture."),
    _("The file does not say how long it is: it was cut off, or never finished. Export it again."),
    _("The film lasts %(hours)s hours; %(most)s are the most. Attach it in parts."),
    _("The picture is %(width)s by %(height)s; each side must have %(least)s to %(most)s pixels."),
    _("The file has a single picture, or none that moves. Attach a film."),
    _("Subtitles inside the file cannot be read. Remove them, or attach them beside it."),
    _("The file cannot be decoded to its end: it is damaged. Export it again."),
    _(
        "The file says that it lasts %(stated)s seconds, but only %(read)s can be read: it was cut off on its way. Attach it again."
    ),
    _("The file is no longer there. Attach it again."),
    _("One track took longer than %(hours)s hours to encode. Attach a shorter or smaller film."),
    _("Something outside the film went wrong; the log says what. Try again, or ask whoever runs the service."),
    _(
        "There is no room left for this film where it is packaged or kept; the log says where. Try again, or ask whoever runs the service."
    ),
    _(
        "The process that packaged this film was killed again and again, perhaps for want of memory. Try again, or ask whoever runs the service."
    ),
    _("%(rate)s frames a second become %(made)s."),
    _("The source is interlaced; it is deinterlaced."),
    _("The source is %(range)s; it is packaged in standard dynamic range."),
    _("The source has no sound."),
    _("Subtitles that are pictures are left out (%(kinds)s): attach them as text."),
    _("Subtitles inside the film that have no lines are left out (%(names)s)."),
)
"""Why packaging failed, and what it has noticed, as it says itself, with what is particular to the film left open."""


def told_in_words(said: str) -> str:
    """Answer what packaging has said, in the language at hand; as it is where nobody has translated it."""
    for sentence, pattern in zip(TOLD, _patterns(), strict=True):
        if found := pattern.fullmatch(said):
            return str(sentence) % found.groupdict() if found.groupdict() else str(sentence)
    return said


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    with translation.override(None):
        return tuple(
            re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+?)", re.escape(str(sentence)))) for sentence in TOLD
        )


def step_in_words(step: str) -> str:
    """Answer what packaging is at, in the language at hand."""
    what, colon, track = step.partition(":")
    return f"{STEPS.get(what, what)}{colon}{track.replace(' by ', ' x ')}"


def meaning(code: str) -> str:
    """Answer what a code means; the code itself where nobody has said."""
    return str(PROBLEMS.get(code, code))
