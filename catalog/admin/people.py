"""People, genres and keywords."""

from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import display

from catalog.admin import staff
from catalog.admin.lists import LargeList, Shown
from catalog.admin.matching import Decided
from catalog.admin.naming import name_of
from catalog.models import Credit, Genre, Keyword, Person, PersonMerge, Title
from catalog.services import people
from core import clock
from core.errors import DomainError

SHOWN_TITLES = 5


@admin.register(Person)
class PersonAdmin(Shown, LargeList):  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    """Who is credited; found by the beginning of the name. Two that are one are merged."""

    list_display = ("name", "answered_for_by")
    list_select_related = ("merged_into",)
    search_fields = ("name__istartswith",)
    search_help_text = "The beginning of a name"
    ordering = ("pk",)
    sortable_by = ()
    actions = ("merge_selected",)

    @display(description="answered for by")
    def answered_for_by(self, person: Person) -> str:
        """Name who answers for somebody that was merged."""
        return person.merged_into.name if person.merged_into else ""

    @admin.action(description="Merge two ...", permissions=["change"])
    def merge_selected(self, request: HttpRequest, queryset: QuerySet[Person]) -> HttpResponse | None:
        """Ask whose name stays, then merge."""
        chosen = list(queryset.order_by("pk")[:3])
        if len(chosen) != 2:
            self.message_user(request, "Choose two people that are one.", messages.ERROR)
            return None
        if "confirmed" not in request.POST:
            return self._ask(request, chosen)
        kept = next((person for person in chosen if str(person.pk) == request.POST.get("kept")), chosen[0])
        [merged] = [person for person in chosen if person != kept]
        try:
            people.merge(kept_id=kept.pk, merged_id=merged.pk, by=staff.actor(request), now=clock.now())
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"{merged.name} is {kept.name} from now on.", messages.SUCCESS)
        return None

    def _ask(self, request: HttpRequest, chosen: list[Person]) -> HttpResponse:
        described = []
        for person in chosen:
            credited = Credit.objects.filter(person=person).order_by("-pk")
            titles = Title.objects.filter(pk__in=credited.values("title")[:SHOWN_TITLES]).prefetch_related("texts")
            described.append(
                {
                    "pk": person.pk,
                    "name": person.name,
                    "number": credited.count(),
                    "known_for": [name_of(title) for title in titles],
                }
            )
        context = {
            **self.admin_site.each_context(request),
            "title": "Two people that are one",
            "opts": self.opts,
            "people": described,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "target": reverse("admin:catalog_person_changelist"),
        }
        return TemplateResponse(request, "catalog/admin/people.html", context)


@admin.register(PersonMerge)
class PersonMergeAdmin(Decided):
    """Merges of people, newest first; each can be undone."""

    list_display = ("kept", "merged", "at", "by", "undone_at", "undone_by")
    list_select_related = ("kept", "merged")
    ordering = ("-pk",)
    actions = ("undo",)
    list_display_links = None

    @admin.action(description="Undo", permissions=["change"])
    def undo(self, request: HttpRequest, queryset: QuerySet[PersonMerge]) -> None:
        """Part what was merged."""
        for merge_id in queryset.filter(undone_at__isnull=True).order_by("-pk").values_list("pk", flat=True):
            people.unmerge(merge_id=merge_id, by=staff.actor(request), now=clock.now())
            self.message_user(request, "Parted again.", messages.SUCCESS)


@admin.register(Genre)
class GenreAdmin(Shown):
    """Genres: a tree of a few hundred at most."""

    list_display = ("name", "slug", "parent")
    list_select_related = ("parent",)
    search_fields = ("name",)
    ordering = ("name",)
    autocomplete_fields = ("parent",)
    prepopulated_fields = {"slug": ("name",)}


@admin.register(Keyword)
class KeywordAdmin(Shown, LargeList):  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    """Subjects."""

    list_display = ("name",)
    search_fields = ("name__startswith",)
    ordering = ("name",)
