"""What the search reads. Made from the titles and rebuilt at will; never the truth about anything.

Only `popularity` is told by the apps above, and `SearchMiss` is what people looked for in vain.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q, Value
from django.utils.translation import gettext_lazy as _

from catalog.models.titles import Title


class SearchDocument(models.Model):
    """The words of one title: A its names, B other names, C people, D subjects, synopses and stems.

    What stands alone has one, and so has each episode, which has no more than its names.
    """

    title = models.OneToOneField(Title, models.CASCADE, primary_key=True, related_name="search_document")
    words = SearchVectorField()
    name = models.TextField(help_text="The folded first name: those that begin alike stand together.")
    names = models.TextField(
        default="",
        db_default="",
        help_text="All names with their spellings and languages, for the rank: /en/ copper moon /de/ kupfermond /",
    )
    is_part = models.BooleanField(
        default=False, db_default=False, help_text="An episode: comes after what stands alone."
    )
    popularity = models.FloatField(
        default=0, db_default=0.0, help_text="As the apps above know it; from 0, without a top."
    )
    base = models.FloatField(
        default=0, db_default=0.0, help_text="The place without popularity: editors' weight, date of release."
    )
    standing = models.FloatField(
        default=0, db_default=0.0, help_text="base + ln(1 + popularity): the place among equals."
    )
    leads = models.BooleanField(
        default=False, db_default=False, help_text="One of the best: what very many titles share is looked for here."
    )

    class Meta:
        indexes = [
            # Every search.
            GinIndex("words", name="search_document_words"),
            # Names that begin with, or are, what was typed.
            models.Index(OpClass("name", name="text_pattern_ops"), name="search_document_name"),
            # Words that are in too many titles to rank them all.
            GinIndex("words", name="search_document_leaders", condition=Q(leads=True)),
            # The least of those that lead, which whoever rises must reach.
            models.Index("standing", name="search_document_least", condition=Q(leads=True)),
        ]


class SearchWord(models.Model):
    """The vocabulary: each word of names and people that some document contains, for mending typos."""

    word = models.TextField(primary_key=True)
    documents = models.PositiveIntegerField(default=1, help_text="About how many documents contain it.")
    languages = ArrayField(
        models.CharField(max_length=20),
        default=list,
        db_default=Value([], ArrayField(models.CharField(max_length=20))),
        help_text="Of names that contain it, BCP 47; none: people alone.",
    )

    class Meta:
        indexes = [
            # The words most like a mistyped one.
            GinIndex(OpClass("word", name="gin_trgm_ops"), name="search_word_trigrams"),
        ]


class SearchCompletion(models.Model):
    """The best titles for a beginning of one to three letters that too many titles have.

    A beginning without rows is rare enough to be searched for. Lists are made anew each night and after
    large deliveries; what is edited or delivered in between is added to them.
    """

    prefix = models.CharField(max_length=3)
    title = models.ForeignKey(Title, models.CASCADE, related_name="+")
    begins = models.BooleanField(help_text="The whole name begins so, not only a word of it.")
    standing = models.FloatField(help_text="The title's, when the row was written.")

    class Meta:
        constraints = [
            # A title twice in one list would be shown twice.
            models.UniqueConstraint(fields=["prefix", "title"], name="search_completion_once"),
        ]
        indexes = [
            # What is shown while the first letters are typed.
            models.Index("prefix", F("begins").desc(), F("standing").desc(), name="search_completion_best"),
        ]


class SearchRename(models.Model):
    """A person, genre or keyword that was renamed: the documents of their titles are written anew, in the order of ids.

    A genre may have a hundred thousand titles, so that no request waits for them. The row goes with the last of them.
    A migration after which names are taken apart otherwise makes a row for all titles.
    """

    class Kind(models.TextChoices):
        PERSON = "person"
        GENRE = "genre"
        KEYWORD = "keyword"
        ALL = "all"

    kind = models.CharField(max_length=10, choices=Kind)
    key = models.CharField(max_length=36, help_text="The primary key of what was renamed; of all, what for.")
    done_to = models.UUIDField(null=True, help_text="The last title that was written anew; null: none.")

    class Meta:
        constraints = [
            # Renamed again before all is written: begun anew, or the first titles would keep the name in between.
            models.UniqueConstraint(fields=["kind", "key"], name="search_rename_once"),
        ]


class SearchMiss(models.Model):
    """What was searched for and not found, to see what is missed. Nothing here says who searched."""

    query = models.CharField(
        _("query"), max_length=60, help_text=_("Folded: lower case, without accents and punctuation.")
    )
    language = models.CharField(_("language"), max_length=20, blank=True)
    country = models.CharField(_("country"), max_length=2)
    times = models.PositiveIntegerField(_("times"), default=1)
    first_on = models.DateField(_("first on"))
    last_on = models.DateField(_("last on"))

    class Meta:
        constraints = [
            # Counted in one row, or the most missed would be scattered over many.
            models.UniqueConstraint(fields=["query", "language", "country"], name="search_miss_once"),
        ]
        indexes = [
            # The admin's list, and what is forgotten first.
            models.Index(F("times").desc(), "id", name="search_miss_times"),
            models.Index("last_on", name="search_miss_last"),
        ]
        verbose_name = _("search without result")
        verbose_name_plural = _("searches without result")

    def __str__(self) -> str:
        return self.query
