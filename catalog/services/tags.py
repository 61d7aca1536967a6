"""Genres and keywords, as editors name and arrange them. What deliveries call them goes on meaning them."""

from __future__ import annotations

from typing import TypeVar
from uuid import uuid4

from django.db import IntegrityError, connection, models, transaction

from catalog.models import Genre, Keyword, ProfileBlock, TitleGenre, TitleKeyword
from catalog.services import kept, search
from core.errors import DomainError

_Tag = TypeVar("_Tag", Genre, Keyword)


class TagUnknown(DomainError):
    code = "tag_unknown"
    title = "There is no such genre or keyword."
    status = 404


class TagExists(DomainError):
    code = "tag_exists"
    title = "There is one of this name already: merge the two instead."


class TagInvalid(DomainError):
    code = "tag_invalid"
    title = "This genre or keyword cannot be."
    status = 422


def save_genre(*, genre_id: int | None, name: str, slug: str, parent_id: int | None = None) -> Genre:
    """Make a genre, or name it anew and put it elsewhere in the tree; a slug that is given up stands for it.

    Raises TagUnknown, TagExists, TagInvalid (a genre below itself or below one that stands for another, no name).
    """
    if not name.strip() or not slug:
        raise TagInvalid("A genre has a name and a slug.")
    with transaction.atomic():
        _lock_tree()
        genre = _locked(Genre, genre_id) if genre_id else Genre()
        before = (genre.name, genre.slug)
        if genre.pk in _above(parent_id):
            raise TagInvalid("A genre cannot be below itself.")
        if parent_id and Genre.objects.filter(pk=parent_id, merged_into__isnull=False).exists():
            raise TagInvalid("What it would be below stands for another genre: choose that one.")
        stand_in = _stand_in(Genre, genre, "slug", slug) if genre_id and slug != genre.slug else None
        genre.name, genre.slug, genre.parent_id = name.strip(), slug, parent_id
        _save(genre)
        if stand_in:
            stand_in.name, stand_in.slug = before
            stand_in.merged_into = genre
            stand_in.save()
        _tell(genre, is_renamed=genre_id is not None and genre.name != before[0])
    return genre


def save_keyword(*, keyword_id: int | None, name: str) -> Keyword:
    """Make a keyword, or spell it anew; the spelling that is given up stands for it.

    Raises TagUnknown, TagExists, TagInvalid (no name).
    """
    name = " ".join(name.lower().split())
    if not name:
        raise TagInvalid("A keyword is a word at least.")
    with transaction.atomic():
        keyword = _locked(Keyword, keyword_id) if keyword_id else Keyword()
        before = keyword.name
        stand_in = _stand_in(Keyword, keyword, "name", name) if keyword_id and name != before else None
        keyword.name = name
        _save(keyword)
        if stand_in:
            stand_in.name, stand_in.merged_into = before, keyword
            stand_in.save()
        _tell(keyword, is_renamed=keyword_id is not None and name != before)
    return keyword


def merge(*, model: type[Genre] | type[Keyword], kept_id: int, merged_id: int) -> None:
    """Make two genres, or two keywords, one: titles and blocks go over to `kept`, and the other stands for it.

    Raises TagUnknown, TagInvalid (one of them twice, or one that stands for another already).
    """
    if kept_id == merged_id:
        raise TagInvalid("One cannot be merged with itself.")
    with transaction.atomic():
        if model is Genre:
            _lock_tree()
        rows = model._default_manager.filter(pk__in=[kept_id, merged_id]).order_by("pk").select_for_update()
        found = {row.pk: row for row in rows}
        if len(found) != 2:
            raise TagUnknown
        if any(row.merged_into_id for row in found.values()):
            raise TagInvalid("One of them stands for another already: choose what it stands for.")
        kept_one, merged_one = found[kept_id], found[merged_id]
        if isinstance(kept_one, Genre) and isinstance(merged_one, Genre):
            # What is below the one is below the other; a kept one that was itself below it takes its place.
            if merged_id in _above(kept_one.parent_id):
                Genre.objects.filter(pk=kept_id).update(parent=merged_one.parent_id)
            Genre.objects.filter(parent=merged_id).exclude(pk=kept_id).update(parent=kept_id)
            _hand_over(TitleGenre, "genre_id", "title_id", kept_id, merged_id)
            _hand_over(ProfileBlock, "genre_id", "profile_id", kept_id, merged_id)
            Genre.objects.filter(pk=merged_id).update(parent=None)
        else:
            _hand_over(TitleKeyword, "keyword_id", "title_id", kept_id, merged_id)
            _hand_over(ProfileBlock, "keyword_id", "profile_id", kept_id, merged_id)
        model._default_manager.filter(merged_into=merged_id).update(merged_into=kept_id)
        model._default_manager.filter(pk=merged_id).update(merged_into=kept_id)
        _tell(found[kept_id], is_renamed=True)


def _hand_over(model: type[models.Model], column: str, owner: str, kept_id: int, merged_id: int) -> None:
    """Point rows of one tag to another in two statements, however many there are; who has both keeps one."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} AS own USING {table} AS other"  # noqa: S608 - our own names
            f" WHERE own.{column} = %s AND other.{column} = %s AND other.{owner} = own.{owner}",
            [merged_id, kept_id],
        )
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE {column} = %s", [kept_id, merged_id])  # noqa: S608 - our own names


def _stand_in(model: type[_Tag], tag: _Tag, column: str, spelling: str) -> _Tag:
    """Answer what is to stand for a tag by the spelling that it gives up: what did so by the one that it takes back, or a new one.

    That is never deleted: versions of titles may name it.
    """
    found = model._default_manager.filter(**{column: spelling, "merged_into": tag}).first()
    if found is None:
        return model()
    setattr(found, column, uuid4().hex)
    found.save(update_fields=[column])
    return found


def _locked(model: type[_Tag], pk: int) -> _Tag:
    row = model._default_manager.select_for_update().filter(pk=pk).first()
    if row is None:
        raise TagUnknown
    if row.merged_into_id:
        raise TagInvalid("It stands for another: change that one.")
    return row


def _save(tag: Genre | Keyword) -> None:
    try:
        with transaction.atomic():
            tag.save()
    except IntegrityError:
        raise TagExists from None


def _tell(tag: Genre | Keyword, *, is_renamed: bool) -> None:
    """Let no older answer stand, and the search follow."""
    kept.changed()
    if is_renamed:
        search.note_rename(named=tag)


def _lock_tree() -> None:
    """Let one at a time arrange genres: two who go up from both ends would wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('catalog.tags.tree'))")


def _above(genre_id: int | None) -> list[int]:
    """Lock and answer a genre and all above it, nearest first. Raises TagUnknown."""
    found: list[int] = []
    while genre_id is not None and genre_id not in found:
        found.append(genre_id)
        genre = Genre.objects.select_for_update().filter(pk=genre_id).first()
        if genre is None:
            raise TagUnknown
        genre_id = genre.parent_id
    return found
