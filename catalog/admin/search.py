"""What people looked for and did not find."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from catalog.admin.lists import LargeList
from catalog.models import SearchMiss
from catalog.services import search
from core.clock import now


@admin.register(SearchMiss)
class SearchMissAdmin(LargeList):
    """Searches without result, most frequent first: what to license, to name otherwise, or to spell right."""

    list_display = ("query", "language", "country", "times", "first_on", "last_on")
    list_filter = ("country", "language", "last_on")
    search_fields = ("query__startswith",)
    search_help_text = _("The beginning of a query")
    ordering = ("-times", "pk")
    sortable_by = ("times", "last_on")
    actions = ("search_again", "forget")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: searches are counted, not entered."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: SearchMiss | None = None) -> bool:
        """Refuse: it is a record."""
        return False

    def has_forget_permission(self, request: HttpRequest) -> bool:
        """Answer whether somebody may remove what is dealt with."""
        return request.user.has_perm("catalog.delete_searchmiss")

    @admin.action(description=_("Search again, and remove what is found by now"), permissions=["forget"])
    def search_again(self, request: HttpRequest, queryset: QuerySet[SearchMiss]) -> None:
        """Say what is found by now, since it was licensed, named otherwise or spelt right."""
        found, missed = search.forget_found(ids=list(queryset.values_list("pk", flat=True)), now=now())
        messages.success(
            request,
            _("Found by now and removed: %(found)d. Still missed: %(missed)d.") % {"found": found, "missed": missed},
        )

    @admin.action(description=_("Remove what is dealt with"), permissions=["forget"])
    def forget(self, request: HttpRequest, queryset: QuerySet[SearchMiss]) -> None:
        """Delete rows; what is missed again comes back."""
        number = search.forget_misses(ids=list(queryset.values_list("pk", flat=True)))
        messages.success(request, ngettext("%d search removed.", "%d searches removed.", number) % number)
