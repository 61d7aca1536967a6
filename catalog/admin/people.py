"""People: found, named, merged."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.decorators import action, display

from catalog.admin import staff
from catalog.admin.lists import LargeList, Refusing, is_choosing
from catalog.admin.matching import Merges
from catalog.admin.naming import name_of
from catalog.admin.words import gettext_lazy as _
from catalog.admin.words import refusal
from catalog.models import Credit, Person, PersonMerge, Title
from catalog.services import people
from core import clock
from core.errors import DomainError

SHOWN_TITLES = 5
SHOWN_CREDITS = 300


@admin.register(Person)
class PersonAdmin(Refusing, LargeList):  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    """Who is credited; found by the beginning of the name. Two that are one are merged."""

    list_display = ("name", "spelled_by", "answered_for_by")
    list_select_related = ("merged_into",)
    search_fields = ("name__istartswith",)
    search_help_text = _("The beginning of a name")
    ordering = ("pk",)
    sortable_by = ()
    actions = ("merge_selected",)
    actions_detail = ["split_one"]  # type: ignore[assignment]  # unfold declares an empty tuple

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Person], search_term: str
    ) -> tuple[QuerySet[Person], bool]:
        """Search; nobody chooses somebody for whom another answers."""
        found, is_double = super().get_search_results(request, queryset, search_term)
        return (found.filter(merged_into__isnull=True) if is_choosing(request) else found), is_double

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody change somebody for whom another answers: nobody would see it."""
        return super().has_change_permission(request, obj) and not _was_merged(obj)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Of somebody that was merged, show where they went."""
        return ("name", "answering", "undoing") if _was_merged(obj) else ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep what is only shown."""
        return ("answering", "undoing") if _was_merged(obj) else ()

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer to split whoever has credits of their own."""
        merged = _was_merged(self.get_object(request, str(object_id)))
        return [] if merged else super().get_actions_detail(request, object_id)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Hand the name to the service."""
        act = people.rename if change else people.create
        act(person_id=obj.pk, name=form.cleaned_data["name"], by=staff.actor(request))
        obj._state.adding = False

    @display(description=_("spelled by"))
    def spelled_by(self, person: Person) -> str:
        """Say whether deliveries may spell the name otherwise."""
        return gettext("editors") if person.named_by else ""

    @display(description=_("answered for by"))
    def answered_for_by(self, person: Person) -> str:
        """Name who answers for somebody that was merged."""
        return person.merged_into.name if person.merged_into else ""

    @display(description=_("answered for by"))
    def answering(self, person: Person) -> SafeString:
        """Lead to who answers for somebody that was merged."""
        answers = person.merged_into
        address = reverse("admin:catalog_person_change", args=[person.merged_into_id])
        return format_html('<a class="underline" href="{}">{}</a>', address, answers)

    @display(description=_("to part them again"))
    def undoing(self, person: Person) -> SafeString:
        """Lead to the merge, where it is undone."""
        merge = f"{reverse('admin:catalog_personmerge_changelist')}?merged__exact={person.pk}"
        return format_html('<a class="underline" href="{}">{}</a>', merge, gettext("Undo the merge"))

    @admin.action(description=_("Merge two ..."), permissions=["change"])
    def merge_selected(self, request: HttpRequest, queryset: QuerySet[Person]) -> HttpResponse | None:
        """Ask whose name stays, then merge."""
        chosen = list(queryset.order_by("pk")[:3])
        if len(chosen) != 2:
            self.message_user(request, gettext("Choose two people that are one."), messages.ERROR)
            return None
        if "confirmed" not in request.POST:
            return self._ask(request, chosen)
        kept = next((person for person in chosen if str(person.pk) == request.POST.get("kept")), chosen[0])
        [merged] = [person for person in chosen if person != kept]
        try:
            people.merge(kept_id=kept.pk, merged_id=merged.pk, by=staff.actor(request), now=clock.now())
        except DomainError as error:
            self.message_user(request, refusal(error), messages.ERROR)
        else:
            self.message_user(
                request,
                gettext("%(merged)s is %(kept)s from now on.") % {"merged": merged.name, "kept": kept.name},
                messages.SUCCESS,
            )
        return None

    @action(description=_("Split ..."), url_path="split", permissions=["split"], icon="call_split")  # type: ignore[operator]  # unfold calls its decorator an Action
    def split_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what somebody is credited for, and give some of it to a namesake."""
        try:
            person = Person.objects.get(pk=UUID(object_id))
        except (ValueError, Person.DoesNotExist):
            raise Http404 from None
        if request.method == "POST":
            chosen = [int(pk) for pk in request.POST.getlist("credit") if pk.isdecimal()]
            try:
                other = people.split(
                    person_id=person.pk,
                    credit_ids=chosen,
                    name=request.POST.get("name", "").strip()[:500],
                    by=staff.actor(request),
                    now=clock.now(),
                )
            except DomainError as error:
                messages.error(request, refusal(error))
                return HttpResponseRedirect(request.path)
            messages.success(request, gettext("They are another person now: this one."))
            return HttpResponseRedirect(reverse("admin:catalog_person_change", args=[other.pk]))
        credited = Credit.objects.filter(person=person).select_related("title").prefetch_related("title__texts")
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Credits of %(name)s") % {"name": person.name},
            "opts": self.opts,
            "person": person,
            "credits": [
                (credit, name_of(credit.title), credit.title.release_year)
                for credit in credited.order_by("-title", "billing", "pk")[:SHOWN_CREDITS]
            ],
            "back": reverse("admin:catalog_person_change", args=[person.pk]),
        }
        return TemplateResponse(request, "catalog/admin/credits.html", context)

    def has_split_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Say whether this member of staff may change people."""
        return request.user.has_perm("catalog.change_person")

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
            "title": gettext("Two people that are one"),
            "opts": self.opts,
            "question": _(
                "Whose name stays? The other's credits go over, and its id goes on answering. It can be undone under Person merges."
            ),
            "people": described,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "target": reverse("admin:catalog_person_changelist"),
        }
        return TemplateResponse(request, "catalog/admin/people.html", context)


def _was_merged(person: Any) -> bool:
    return isinstance(person, Person) and person.merged_into_id is not None


@admin.register(PersonMerge)
class PersonMergeAdmin(Merges):
    """Merges of people, newest first; each can be undone."""

    service = people
    list_display = ("kept", "merged", "at", "by_name", "undone_at", "undone_by_name")
    list_select_related = ("kept", "merged")
    ordering = ("-pk",)
