"""People, genres and keywords."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin

from catalog.admin.lists import LargeList
from catalog.models import Genre, Keyword, Person


@admin.register(Person)
class PersonAdmin(LargeList):
    """Who is credited; found by the beginning of the name."""

    list_display = ("name",)
    search_fields = ("name__istartswith",)
    search_help_text = "The beginning of a name"
    ordering = ("pk",)
    sortable_by = ()


@admin.register(Genre)
class GenreAdmin(ModelAdmin):
    """Genres: a tree of a few hundred at most."""

    list_display = ("name", "slug", "parent")
    list_select_related = ("parent",)
    search_fields = ("name",)
    ordering = ("name",)
    autocomplete_fields = ("parent",)
    prepopulated_fields = {"slug": ("name",)}


@admin.register(Keyword)
class KeywordAdmin(LargeList):
    """Subjects."""

    list_display = ("name",)
    search_fields = ("name__startswith",)
    ordering = ("name",)
