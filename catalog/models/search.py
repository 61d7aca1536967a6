"""What the search reads. Made from the titles and rebuilt at will; never the truth about anything."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from catalog.models.titles import Title


class SearchDocument(models.Model):
    """The words of one title: A its names, B other names, C people, D subjects and synopses."""

    title = models.OneToOneField(Title, models.CASCADE, primary_key=True, related_name="search_document")
    words = SearchVectorField()
    name = models.TextField(help_text="The folded name, for an exact match and its beginning.")
    popularity = models.FloatField(default=0)

    class Meta:
        indexes = [
            # Every search.
            GinIndex("words", name="search_document_words"),
            # Names that begin with, or are, what was typed.
            models.Index(OpClass("name", name="text_pattern_ops"), name="search_document_name"),
        ]


class SearchWord(models.Model):
    """The vocabulary: each word of names and people that some document contains, for mending typos."""

    word = models.TextField(primary_key=True)
    documents = models.PositiveIntegerField(default=1, help_text="About how many documents contain it.")

    class Meta:
        indexes = [
            # The words most like a mistyped one.
            GinIndex(OpClass("word", name="gin_trgm_ops"), name="search_word_trigrams"),
        ]
