"""Whose records a title is made of: two titles made one, a record taken out again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from unfold.decorators import action

from catalog.admin import staff
from catalog.admin.lists import LargeList
from catalog.admin.naming import address_of, name_of, title_or_404
from catalog.admin.parting import say_losses
from catalog.admin.words import gettext_lazy, refusal
from catalog.models import SourceRecord, Title
from catalog.services import matching
from core import clock
from core.errors import DomainError


class SourcePages(LargeList):
    """Merging and splitting, by hand; what looks alike waits in the queue of match candidates."""

    def has_publish_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Ask for the right to publish: merging takes a title off the air."""
        return request.user.has_perm("catalog.publish_title")

    @admin.action(description=gettext_lazy("Merge two ..."), permissions=["publish"])
    def merge_selected(self, request: HttpRequest, queryset: QuerySet[Title]) -> HttpResponse | None:
        """Ask which stays, then merge."""
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        titles = list(Title.objects.filter(pk__in=chosen).order_by("pk").prefetch_related("texts")[:3])
        if len(titles) != 2 or len(chosen) != 2:
            self.message_user(request, _("Choose two titles that are one."), messages.ERROR)
            return None
        if "confirmed" not in request.POST:
            return self._which(request, titles)
        stays = next((title for title in titles if str(title.pk) == request.POST.get("kept")), titles[0])
        [goes] = [title for title in titles if title != stays]
        try:
            matching.merge(kept_id=stays.pk, merged_id=goes.pk, by=staff.actor(request), now=clock.now())
        except DomainError as error:
            self.message_user(request, refusal(error), messages.ERROR)
        else:
            said = _("%(merged)s is %(kept)s from now on; it can be undone under Title merges.")
            names = {"merged": name_of(goes), "kept": name_of(stays)}
            self.message_user(request, said % names, messages.SUCCESS)
        return None

    def _which(self, request: HttpRequest, titles: list[Title]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Two titles that are one"),
            "opts": self.opts,
            "question": _("Which title stays? The other is withdrawn, its deliveries go over, and its id goes on answering."),
            "people": [
                {
                    "pk": title.pk,
                    "name": name_of(title),
                    "known_for": [str(fact) for fact in (title.get_kind_display(), title.release_year, title.get_state_display()) if fact],
                }
                for title in titles
            ],
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "target": reverse("admin:catalog_title_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "catalog/admin/people.html", context)

    @action(description=gettext_lazy("Deliveries"), url_path="sources", permissions=["publish"], icon="call_split")  # type: ignore[operator]  # unfold calls its decorator an Action
    def sources_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the records that a title is made of, and give one a title of its own."""
        title = title_or_404(object_id)
        if request.method == "POST" and request.POST.get("source", "").isdecimal():
            return self._split(request, title.pk, int(request.POST["source"]))
        records = SourceRecord.objects.filter(title=title).select_related("provider", "last_run").order_by("pk")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Deliveries: %(name)s") % {"name": name_of(title)},
            "opts": self.opts,
            "records": [
                (record, reverse("admin:catalog_ingestrun_change", args=[record.last_run_id])) for record in records
            ],
            "back": address_of(title.pk),
        }
        return TemplateResponse(request, "catalog/admin/sources.html", context)

    def _split(self, request: HttpRequest, title_id: UUID, source_id: int) -> HttpResponse:
        if not SourceRecord.objects.filter(pk=source_id, title=title_id).exists():
            messages.error(request, _("This record is no longer the title's."))
            return HttpResponseRedirect(request.path)
        try:
            parted = matching.split(source_id=source_id, by=staff.actor(request), now=clock.now())
        except DomainError as error:
            messages.error(request, refusal(error))
            return HttpResponseRedirect(request.path)
        messages.success(request, _("It has a title of its own now, which its next delivery fills: this one."))
        say_losses(request, parted)
        return HttpResponseRedirect(address_of(parted.title.pk))
