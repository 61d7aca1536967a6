"""What a title is about: genres, which are a tree, and keywords."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import BooleanField, Exists, F, Func, Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from catalog.models.titles import Title


class GenreQuerySet(models.QuerySet["Genre"]):
    def standing(self) -> Self:
        """Those that titles have, without the names that stand for another."""
        return self.filter(merged_into__isnull=True)

    def answering(self) -> models.QuerySet[Any, Any]:
        """Answer the ids of those that these names stand for."""
        return self.annotate(answering=Coalesce("merged_into", "pk")).values("answering")

    def with_those_below(self) -> RawSQL:
        """Answer the ids of those that these names stand for, and of all that lie below them in the tree."""
        return and_below(*self.answering().query.sql_with_params())


class Genre(models.Model):
    """A kind of story, known by its English name; `parent` makes a tree: who asks for one means those below it, too.

    One that was merged, or a slug that was given up, stands for another: no title has it, deliveries and rules still
    mean it.
    """

    slug = models.SlugField(max_length=100, unique=True, allow_unicode=True)
    name = models.CharField(max_length=100)
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, editable=False, related_name="+", db_index=False,
        help_text=_("What it stands for."),
    )  # fmt: skip

    objects = GenreQuerySet.as_manager()

    class Meta:
        constraints = [
            # A genre that stands for itself would never be found.
            models.CheckConstraint(
                name="genre_stands_for_another", condition=Q(merged_into__isnull=True) | ~Q(merged_into=F("id"))
            ),
        ]

    def __str__(self) -> str:
        return self.name


def and_below(ids: str, values: Sequence[Any]) -> RawSQL:
    """Answer the ids of the genres that a query answers the ids of, and of all that lie below them in the tree."""
    return RawSQL(  # noqa: S611 - our own text, whose values are parameters
        f"WITH RECURSIVE below (id) AS ({ids}"  # noqa: S608 - our own text
        " UNION SELECT genre.id FROM catalog_genre AS genre JOIN below ON genre.parent_id = below.id"
        ") SELECT id FROM below",
        values,
    )


class AskedEach(Exists):
    """An Exists that is asked of one title after the other, after all that costs less: PostgreSQL makes no join of it."""

    template = "EXISTS(%(subquery)s OFFSET 0)"


class OneOf(Func):
    """The condition that a value is one of those that a query answers, which is asked once, before anything else."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY ("
    output_field = BooleanField()

    def __init__(self, value: str, asked: models.QuerySet[Any, Any]) -> None:
        super().__init__(F(value), ArraySubquery(asked))


class TitleGenre(models.Model):
    title = models.ForeignKey(Title, models.CASCADE, related_name="title_genres", db_index=False)
    genre = models.ForeignKey(Genre, models.PROTECT, related_name="title_genres", db_index=False)
    position = models.PositiveSmallIntegerField(help_text=_("0 fits best."))

    class Meta:
        constraints = [
            # The same genre twice would show a title twice in a joined list.
            models.UniqueConstraint(fields=["title", "genre"], name="title_genre_once"),
        ]
        indexes = [
            # Lists by genre, newest first.
            models.Index("genre", F("title").desc(), name="title_genre_browse"),
        ]


class KeywordQuerySet(models.QuerySet["Keyword"]):
    def standing(self) -> Self:
        """Those that titles have, without the spellings that stand for another."""
        return self.filter(merged_into__isnull=True)

    def answering(self) -> models.QuerySet[Any, Any]:
        """Answer the ids of those that these spellings stand for."""
        return self.annotate(answering=Coalesce("merged_into", "pk")).values("answering")


class Keyword(models.Model):
    """A subject, in English, lower case. A spelling that editors gave up stands for another, as with genres."""

    name = models.CharField(max_length=100, unique=True)
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, editable=False, related_name="+", db_index=False,
        help_text=_("What it stands for."),
    )  # fmt: skip

    objects = KeywordQuerySet.as_manager()

    class Meta:
        constraints = [
            # A keyword that stands for itself would never be found.
            models.CheckConstraint(
                name="keyword_stands_for_another", condition=Q(merged_into__isnull=True) | ~Q(merged_into=F("id"))
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TitleKeyword(models.Model):
    title = models.ForeignKey(Title, models.CASCADE, related_name="title_keywords", db_index=False)
    keyword = models.ForeignKey(Keyword, models.PROTECT, related_name="title_keywords")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["title", "keyword"], name="title_keyword_once"),
        ]
