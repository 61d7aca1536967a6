"""The rows that hang on a title, on its page: edited as a whole, part by part, and its history."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import StackedInline, TabularInline
from unfold.decorators import display

from catalog.admin import staff
from catalog.admin.choosing import FetchedFormSet, FetchedSelect
from catalog.admin.formsets import PartFormSet
from catalog.admin.lists import widget_for
from catalog.admin.words import gettext_lazy as _
from catalog.models import (
    AlternateTitle,
    AvailabilityWindow,
    ContentRating,
    Credit,
    ExternalId,
    PublicationEntry,
    TitleGenre,
    TitleKeyword,
    TitleNumber,
    TitleText,
)


class Part(TabularInline):
    """Rows of a title that editors replace as a whole; `part` is their name in `editing.PARTS`."""

    part: ClassVar[str]
    extra = 0
    tab = True
    hide_title = True
    per_page = 50  # type: ignore[assignment]  # unfold declares None
    ordering: ClassVar[Any] = ("pk",)
    formset = FetchedFormSet

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch what is shown of a row, in one query."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related(*self.autocomplete_fields) if self.autocomplete_fields else rows

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choose by searching."""
        if db_field.name in self.autocomplete_fields:
            kwargs["widget"] = FetchedSelect(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choose a widget that suits."""
        return super().formfield_for_dbfield(db_field, request, **widget_for(db_field, kwargs))


class LargePart(StackedInline):
    """The same, for rows of many fields."""

    part: ClassVar[str]
    extra = 0
    tab = True
    per_page = 20  # type: ignore[assignment]  # unfold declares None
    ordering: ClassVar[Any] = ("pk",)
    formset = PartFormSet

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choose a widget that suits."""
        return super().formfield_for_dbfield(db_field, request, **widget_for(db_field, kwargs))


class TextInline(LargePart):
    """Names and synopses by language."""

    model = TitleText
    part = "texts"
    fields = ("language", "name", "synopsis_short", "synopsis_medium", "synopsis_long")
    verbose_name = _("language")
    verbose_name_plural = _("texts")


class AlternateTitleInline(Part):
    model = AlternateTitle
    part = "alternate_titles"
    verbose_name_plural = _("other names")


class CreditInline(Part):
    model = Credit
    part = "credits"
    autocomplete_fields = ("person",)

    ordering = ("billing", "pk")


class WindowInline(LargePart):
    """Licences."""

    model = AvailabilityWindow
    part = "windows"
    verbose_name = _("licence")
    verbose_name_plural = _("licences")
    fields = (
        ("license_type", "formats"),
        ("territories", "excluded"),
        # An instant is a day and a time, which need a line to themselves.
        ("starts_on", "ends_on"),
        "starts_at",
        "ends_at",
        "announce_on",
        "announce_at",
        ("languages", "holdback_languages"),
        ("contract_id", "reporting_id"),
        "grant_id",
    )


class RatingInline(Part):
    model = ContentRating
    part = "ratings"
    readonly_fields = ("minimum_age",)


class GenreInline(Part):
    model = TitleGenre
    part = "genres"
    ordering = ("position", "pk")
    autocomplete_fields = ("genre",)
    verbose_name_plural = _("genres")


class KeywordInline(Part):
    model = TitleKeyword
    part = "keywords"
    autocomplete_fields = ("keyword",)
    verbose_name_plural = _("keywords")


class ExternalIdInline(Part):
    model = ExternalId
    part = "external_ids"
    verbose_name_plural = _("external ids")


class NumberInline(Part):
    """Its places in other orders than that of release."""

    model = TitleNumber
    part = "alternate_numbers"
    verbose_name = _("place")
    verbose_name_plural = _("other orders")


class HistoryInline(TabularInline):
    """The publication log; nobody edits it."""

    model = PublicationEntry
    extra = 0
    max_num = 0
    tab = True
    can_delete = False
    hide_title = True
    fields = ("action", "at", "by_name", "revision", "reason")
    readonly_fields = fields
    verbose_name_plural = _("history")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Remember the names of a page: few people publish one title."""
        super().__init__(*args, **kwargs)
        self._names: dict[str, str] = {}

    @display(description=_("by"))
    def by_name(self, entry: PublicationEntry) -> str:
        """Name who did it."""
        if entry.by not in self._names:
            self._names |= staff.names([entry.by])
        return self._names.get(entry.by, entry.by)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[PublicationEntry]:
        """Show the newest first."""
        return cast("QuerySet[PublicationEntry]", super().get_queryset(request).order_by("-pk"))
