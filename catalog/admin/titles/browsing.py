"""The list of titles: filtered, searched, quick with a million of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.contrib.postgres.search import SearchQuery
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext
from unfold.decorators import display

from catalog import lexemes
from catalog.admin.lists import LargeList, is_choosing
from catalog.admin.naming import name_of, text_of
from catalog.admin.titles.artwork import preview_of
from catalog.admin.words import gettext_lazy as _
from catalog.models import (
    Artwork,
    Provider,
    SourceRecord,
    Title,
)
from catalog.models.titles import Kind, State
from catalog.selectors import identifiers

_MERGED = "merged"


class ProviderFilter(admin.SimpleListFilter):
    """Who delivered it."""

    title = _("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer every provider."""
        return [(code, name) for code, name in Provider.objects.order_by("name").values_list("code", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Title]) -> QuerySet[Title]:
        """Keep the provider asked for: read from its records, newest title first; of what was merged it has two."""
        if not self.value():
            return queryset
        provider = Provider.objects.filter(code=self.value()).first()
        if provider is None:
            return queryset.none()
        earlier = SourceRecord.objects.filter(
            provider=provider, title=OuterRef("pk"), pk__lt=OuterRef("source_records__pk")
        )
        return queryset.filter(~Exists(earlier), source_records__provider=provider)


class KindFilter(admin.SimpleListFilter):
    """What stands alone, unless a kind is asked for: episodes are read with their series."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer every kind."""
        return list(Kind.choices)

    def choices(self, changelist: ChangeList) -> Iterable[Any]:  # type: ignore[override]  # Django's own is a generator too
        """Name the default for what it is."""
        default, *kinds = super().choices(changelist)
        yield {**default, "display": _("Standing alone")}
        yield from kinds

    def queryset(self, request: HttpRequest, queryset: QuerySet[Title]) -> QuerySet[Title]:
        """Keep the kind asked for; who looks for a name may mean an episode's."""
        if self.value():
            return queryset.filter(kind=self.value())
        return queryset if request.GET.get(SEARCH_VAR) else queryset.filter(parent__isnull=True)


class TitleList(LargeList):
    """What a row shows, and how rows are found."""

    list_display = ("heading", "kind_label", "year", "state_label", "providers", "updated_at")
    list_filter = (KindFilter, "state", ProviderFilter)
    search_fields = ("search_document__words",)
    search_help_text = _(
        "Name, other name, person or subject, with unfinished words; or a whole id: ours, a provider's, an EIDR, imdb:tt0013442"
    )
    ordering = ("-id",)
    sortable_by = ("year",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Title]:
        """Fetch what a row of the list shows, in a few queries."""
        return cast("QuerySet[Title]", super().get_queryset(request)).prefetch_related(
            "texts",
            "source_records__provider",
            Prefetch("artwork", Artwork.objects.exclude(file="").order_by("position", "pk")),
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Title], search_term: str
    ) -> tuple[QuerySet[Title], bool]:
        """Search as viewers do, without what is kept from them; an id finds its title whatever else is asked for."""
        found = self._found(request, queryset, search_term)
        # Nobody chooses what was merged: who names it means what answers for it.
        return (found.filter(merged_into__isnull=True) if is_choosing(request) else found), False

    def _found(self, request: HttpRequest, queryset: QuerySet[Title], search_term: str) -> QuerySet[Title]:
        if named := identifiers.titles_named(search_term):
            return self.get_queryset(request).filter(pk__in=named)
        words = lexemes.query_words(search_term)
        if not words:
            return queryset
        query = SearchQuery(" & ".join(f"'{word}':*" for word in words), search_type="raw", config="simple")
        return queryset.filter(search_document__words=query)

    @display(description=_("title"), header=True)
    def heading(self, title: Title) -> list[Any]:
        """Answer name, synopsis and poster."""
        text = text_of(title)
        about = Truncator(text.synopsis_short or text.synopsis_medium).chars(90) if text else ""
        name = name_of(title)
        posters = {image.kind: image for image in reversed(title.artwork.all())}
        poster = posters.get(Artwork.Kind.POSTER)
        picture = {"path": preview_of(poster, 160), "squared": True, "width": 32, "height": 48} if poster else {}
        return [name, about, name[:2], picture]

    @display(description=_("kind"))
    def kind_label(self, title: Title) -> str:
        """Name the kind."""
        return title.get_kind_display()

    @display(description=_("year"), ordering="release_date")
    def year(self, title: Title) -> int | None:
        """Answer the year of release."""
        return title.release_year

    @display(
        description=_("state"),
        label={State.PUBLISHED: "success", State.DRAFT: "info", State.WITHDRAWN: "danger", _MERGED: "default"},
    )
    def state_label(self, title: Title) -> tuple[str, str]:
        """Colour the state; what was merged is withdrawn for good, as long as it is."""
        if title.merged_into_id is not None:
            return _MERGED, gettext("Merged")
        return title.state, title.get_state_display()

    @display(description=_("provider"))
    def providers(self, title: Title) -> str:
        """Name who delivered it."""
        return ", ".join(sorted({record.provider.name for record in title.source_records.all()})) or "-"
