"""Documents follow when a person, a genre or a keyword is renamed, and when a release takes names apart otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from catalog.models import Credit, Genre, Keyword, Person, SearchRename, Title, TitleGenre, TitleKeyword
from catalog.services.search.documents import BATCH, rebuild

Kind = SearchRename.Kind
_NAMED: Mapping[type[Any], Kind] = {Person: Kind.PERSON, Genre: Kind.GENRE, Keyword: Kind.KEYWORD}
_TITLES: Mapping[str, tuple[type[Any], str]] = {
    Kind.PERSON: (Credit, "person_id"),
    Kind.GENRE: (TitleGenre, "genre_id"),
    Kind.KEYWORD: (TitleKeyword, "keyword_id"),
}


def note_rename(*, named: Person | Genre | Keyword) -> None:
    """Have the documents of all their titles written anew, in the caller's transaction, which has the new name."""
    SearchRename.objects.update_or_create(kind=_NAMED[type(named)], key=str(named.pk), defaults={"done_to": None})


def follow_renames() -> int:
    """Write a thousand documents anew, in a transaction of their own; answer how many, 0 when there is nothing left."""
    with transaction.atomic():
        # In descending order of kinds "all" is the last: nobody waits an hour for a name.
        # What a later version asks for while both run waits for its workers.
        known = SearchRename.objects.filter(kind__in=[*_TITLES, Kind.ALL])
        rename = known.select_for_update(skip_locked=True).order_by("-kind", "pk").first()
        if rename is None:
            return 0
        titles = Title.objects.all()
        if rename.kind != Kind.ALL:
            model, column = _TITLES[rename.kind]
            titles = titles.filter(pk__in=model.objects.filter(**{column: rename.key}).values("title"))
        if rename.done_to:
            titles = titles.filter(pk__gt=rename.done_to)
        # Locked, so that what an editor commits meanwhile is not overwritten by what was before.
        ids = list(titles.locked().values_list("pk", flat=True)[:BATCH])
        rebuild(ids)
        if len(ids) < BATCH:
            rename.delete()
        else:
            SearchRename.objects.filter(pk=rename.pk).update(done_to=ids[-1])
        # What has no title is settled as well, and may not be the last.
        return len(ids) or 1
