"""What workers leave behind as codes and English words, in the language at hand: problems of deliveries, steps and failures of packaging."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as N_

from core.words import told

PROBLEMS: Mapping[str, Promise] = {
    "added_before_release": _("Added to the catalogue before it was released."),
    "additional_properties": _("Has a member that the format does not know."),
    "both": _("Included and excluded at once."),
    "constant": _("Is not the one value that is possible here."),
    "duplicate": _("Stands there twice; once is kept."),
    "ends_before_start": _("Ends before it begins."),
    "enum": _("Is none of the values that are possible here."),
    "excludes_all": _("Excludes the whole world."),
    "external_id_taken": _("Another title has this id."),
    "format": _("Is not written as the format asks for."),
    "impossible_date": _("No date of the calendar."),
    "invalid_csv": _("The table cannot be read."),
    "invalid_json": _("The JSON cannot be read."),
    "invalid_utf8": _("The text is not UTF-8."),
    "invisible_characters": _("Invisible characters were taken out."),
    "kind_changed": _("Was of another kind before."),
    "line_break": _("Line breaks became spaces."),
    "line_too_long": _("The line is too long."),
    "linked": _("Is a title that is there already."),
    "lost_characters": _("Characters were lost before they came here."),
    "markup": _("Markup was taken out."),
    "max_length": _("Too long."),
    "maximum": _("Too large."),
    "min_items": _("Too few of them."),
    "min_length": _("Too short."),
    "min_properties": _("Says too little."),
    "minimum": _("Too small."),
    "misplaced_header": _("A header that does not come first."),
    "missing": _("Something that is needed is missing."),
    "mojibake": _("Text in a wrong encoding."),
    "more_assets": _("The first asset alone is licensed."),
    "more_pages": _("The feed has further pages."),
    "no_address": _("The address is missing."),
    "no_licence": _("Comes without a licence."),
    "no_schema": _("There is no schema of this version."),
    "no_version": _("No version is named."),
    "not": _("Says what is not possible beside something else."),
    "not_an_object": _("No JSON object."),
    "not_approved": _("Not approved yet."),
    "not_kept": _("There is no place for it here."),
    "one_of_multiple_valid": _("Is of more than one of the forms of which it may have one."),
    "one_of_not_valid": _("Has none of the forms that are possible here."),
    "other_version": _("Read by the rules of the nearest version."),
    "part_of_country": _("Part of a country; licences hold for whole ones."),
    "pattern": _("Is not written as the format asks for."),
    "possible_duplicate": _("Perhaps the same title twice in this delivery."),
    "possible_match": _("Perhaps a title that is there already: it waits among the match candidates."),
    "property_names": _("Has a member whose name is not possible."),
    "refused_by_database": _("The database refused it."),
    "regional_place": _("Has another place in another order."),
    "repeated": _("Stands there more than once; the first counts."),
    "repeated_id": _("The same id stands twice in the delivery."),
    "required": _("Something that is needed is missing."),
    "revoked": _("Revoked by the licensor."),
    "row_too_long": _("The row is too long."),
    "schema": _("Does not follow the schema."),
    "shared_name": _("Two of one name."),
    "shifted_column": _("Columns are shifted."),
    "stray_comma": _("A comma too many was taken out."),
    "too_long": _("Too long."),
    "too_many_absent": _("So much is absent that nothing was retired."),
    "type": _("Is of another type than the format asks for."),
    "undated": _("Has no date that we can read."),
    "unended": _("The last line has no line break at its end; it may be cut off."),
    "unique_items": _("Stands there twice."),
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
    "unreadable_ids": _("Ids that cannot be read: nothing was retired."),
    "unsupported": _("Nothing that is kept here."),
    "unusable": _("Cannot be used."),
    "white_space": _("White space was tidied up."),
    "wrong_check_character": _("The check character is wrong."),
    "wrong_columns": _("Columns that are not of this format."),
    "wrong_parent": _("Belongs to what it cannot belong to."),
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
    "Waits for the storage or the database": _("Waits for the storage or the database"),
}
"""What packaging is at, as it says itself; after a colon it says of which track."""


TOLD: tuple[str, ...] = (
    N_(
        "The file is damaged, cut off, or no video of a kind that we read (MP4, MOV, MKV, MXF, MPEG-TS, AVI and others). Export it again."
    ),
    N_("The picture is in a format that we do not read. Export it as H.264, HEVC or ProRes."),
    N_("The file is protected by DRM. Export it without protection."),
    N_("The file has only sound. Attach one with a moving picture."),
    N_("The file has neither picture nor sound. Attach one with a moving picture."),
    N_("The file does not say how long it is: it was cut off, or never finished. Export it again."),
    N_("The film lasts %(hours)s hours; %(most)s are the most. Attach it in parts."),
    N_("The picture is %(width)s by %(height)s; each side must have %(least)s to %(most)s pixels."),
    N_("The file has a single picture, or none that moves. Attach a film."),
    N_("Subtitles inside the file cannot be read. Remove them, or attach them beside it."),
    N_("The file cannot be decoded to its end: it is damaged. Export it again."),
    N_(
        "The file says that it lasts %(stated)s seconds, but only %(read)s can be read: it was cut off on its way. Attach it again."
    ),
    N_("The file is no longer there. Attach it again."),
    N_("One track took longer than %(hours)s hours to encode. Attach a shorter or smaller film."),
    N_("Something outside the film went wrong; the log says what. Try again, or ask whoever runs the service."),
    N_(
        "There is no room left for this film where it is packaged or kept; the log says where. Try again, or ask whoever runs the service."
    ),
    N_(
        "The process that packaged this film was killed again and again, perhaps for want of memory. Try again, or ask whoever runs the service."
    ),
    N_("%(rate)s frames a second become %(made)s."),
    N_("The source is interlaced; it is deinterlaced."),
    N_("The source is %(range)s; it is packaged in standard dynamic range."),
    N_("The source has no sound."),
    N_("Subtitles that are pictures are left out (%(kinds)s): attach them as text."),
    N_("Subtitles inside the film that have no lines are left out (%(names)s)."),
)
"""Why packaging failed, and what it has noticed, as it says itself, with what is particular to the film left open."""


UNREADABLE: tuple[str, ...] = (
    N_(
        "A record, or what lies between two, is longer than %(most)s bytes; a title needs a few thousand. Correct the file, or choose the right format."
    ),
    N_("A sheet has more than %(rows)s rows or %(columns)s columns: deliver it in parts."),
    N_("An error of ours ended the run; the log says which. What is written is whole: ingest the file again."),
    N_("Line %(number)s, the last one, breaks off: the file was cut off. Deliver it whole."),
    N_("None of its first lines is a JSON object in UTF-8: choose the format that it has, or write one object a line."),
    N_(
        "The database or the storage of files could not be reached. The run is begun again by itself, every minute until it can be."
    ),
    N_("The database or the storage of files could not be reached. What was written is whole; ingest the file again."),
    N_("The file begins with <%(found)s> instead of %(wanted)s. Choose the right format."),
    N_("The file declares a document type (<!DOCTYPE ...>), from which entities could be expanded: remove that line."),
    N_("The file has no <movie>, <tvshow> or <episodedetails>. Choose the right format."),
    N_("The file has no providerName, which a Direct Publisher feed must have. Choose the right format."),
    N_("The file has no version, which Roku's search feed begins with. Choose the right format."),
    N_("The file is a PDF: ask for the data itself, and deliver that, or choose the right format."),
    N_("The file is an old workbook (.xls): save it anew, and deliver that, or choose the right format."),
    N_("The file is empty. Deliver it again."),
    N_("The file is longer than %(most)s bytes; an NFO file has a few thousand."),
    N_("The file is nested more than %(most)s deep, which no feed needs. Choose the right format."),
    N_("The file is no sound workbook (.xlsx): %(reason)s. Save it anew."),
    N_("The file is no workbook (.xlsx): choose the right format, or save it anew."),
    N_("The file is not JSON in UTF-8: %(reason)s. Correct it and deliver it again."),
    N_("The file is not in the encoding that it declares, or in UTF-8. Save it as UTF-8."),
    N_("The file is not sound XML: %(reason)s. Correct it and deliver it again."),
    N_("The file is packed (bzip2): unpack it, and deliver that, or choose the right format."),
    N_("The file is packed (gzip): unpack it, and deliver that, or choose the right format."),
    N_("The file is packed (xz): unpack it, and deliver that, or choose the right format."),
    N_("The file is packed (zstd): unpack it, and deliver that, or choose the right format."),
    N_("The file is packed, or a workbook (ZIP): unpack it, and deliver that, or choose the right format."),
    N_(
        "The first line must name these columns, with commas: %(columns)s. It is %(found)s. Choose the right format, or correct the file."
    ),
    N_(
        "The header says that %(stated)s lines follow, and there are %(found)s: the file was cut off, or put together of several. Deliver it whole, or correct the header."
    ),
    N_("The header in line 1 is not valid: %(reason)s. Correct it and deliver again."),
    N_("The process that read this delivery was killed. What it wrote is whole; ingest the file again."),
    N_(
        "The second row must name the columns of Avails 1.7 to 1.9; it lacks %(columns)s. Choose the right format, or correct the sheet."
    ),
    N_(
        "The workbook unpacks to %(size)s bytes; %(most)s, and %(ratio)s times its size, are the most. Deliver it in parts."
    ),
)
"""Why the delivery as a whole could not be read, or not to its end."""


def told_in_words(said: str) -> str:
    """Answer why a film or a delivery failed, in the language at hand; as it is where nobody has translated it."""
    return told(said, (*TOLD, *UNREADABLE))


def step_in_words(step: str) -> str:
    """Answer what packaging is at, in the language at hand."""
    what, colon, track = step.partition(":")
    return f"{STEPS.get(what, what)}{colon}{track.replace(' by ', ' x ')}"


def meaning(code: str) -> str:
    """Answer what a code means; the code itself where nobody has said."""
    return str(PROBLEMS.get(code, code))
