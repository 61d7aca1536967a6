"""What is done to titles, to one or to many at once, each time after a question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from catalog.admin import staff
from catalog.admin.lists import LargeList, widget_for
from catalog.admin.naming import name_of, title_or_404
from catalog.admin.titles.editorial import PlanForm
from catalog.admin.words import gettext_lazy, refusal
from catalog.models import AvailabilityWindow, Collection, Title
from catalog.models.titles import State
from catalog.services import bulk, collections
from catalog.services.bulk import Outcome
from core import clock
from core.errors import DomainError

SHOWN_PROBLEMS = 5
SHOWN_TITLES = 100
MOST_AT_ONCE = 1000
"""So many titles are published one by one within a request's patience; beyond, a provider's policy is the way."""
MOST_REWRITTEN = 200
"""Of what leaves a revision of each title."""
PREFIX = "bulk"
"""Of what a question asks beside: the request has an `action` of its own."""


class ReasonForm(forms.Form):
    """Why, for the log."""

    reason = forms.CharField(
        required=False, max_length=500, widget=UnfoldAdminTextInputWidget, label=gettext_lazy("Why? It goes into the log.")
    )  # fmt: skip


class NoteForm(forms.Form):
    """What whoever decides should know."""

    note = forms.CharField(
        required=False, max_length=1000, widget=UnfoldAdminTextareaWidget({"rows": 3}),
        label=gettext_lazy("What should the reviewer know?"),
    )  # fmt: skip


class CollectionForm(forms.Form):
    """Where titles are put."""

    collection = forms.ModelChoiceField(
        Collection.objects.exclude(kind=Collection.Kind.RULE).order_by("slug"),
        widget=UnfoldAdminSelectWidget,
        label=gettext_lazy("Collection"),
        help_text=gettext_lazy("They come after those that are in it, and keep the order of this list."),
    )


class LicenceForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """One licence for all of them."""

    class Meta:
        model = AvailabilityWindow
        fields = (
            "license_type", "territories", "excluded", "starts_on", "ends_on", "formats", "languages",
            "holdback_languages", "contract_id", "reporting_id",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Choose widgets as on a title's own page."""
        super().__init__(*args, **kwargs)
        model_admin = LargeList(AvailabilityWindow, admin.site)
        for name in self.fields:
            db_field = AvailabilityWindow._meta.get_field(name)
            made = model_admin.formfield_for_dbfield(db_field, None, **widget_for(db_field, {}))  # type: ignore[arg-type]  # no foreign key asks for the request
            made.widget.is_required = self.fields[name].required
            self.fields[name] = made


@dataclass(frozen=True)
class Act:
    """What can be done to chosen titles: what it is called, asks and says, what else it needs, and the service."""

    verb: str
    question: Promise
    done: Promise
    run: Callable[..., Outcome]
    form: type[forms.BaseForm]
    most: int = MOST_AT_ONCE


def _collect(*, title_ids: list[UUID], collection: Collection, by: str, now: datetime) -> Outcome:
    return Outcome(done=collections.add(collection_id=collection.pk, title_ids=title_ids, now=now))


ACTS: Mapping[str, Act] = {
    "publish_selected": Act(
        gettext_lazy("Publish"),
        ngettext_lazy(
            "Publish this title? It takes effect at once.",
            "Publish these %(number)s titles? It takes effect at once.",
            "number",
        ),
        ngettext_lazy("Published %(number)s title.", "Published %(number)s titles.", "number"),
        bulk.publish,
        ReasonForm,
    ),
    "withdraw_selected": Act(
        gettext_lazy("Withdraw"),
        ngettext_lazy(
            "Withdraw this title? Nobody finds or plays it from then on.",
            "Withdraw these %(number)s titles? Nobody finds or plays them from then on.",
            "number",
        ),
        ngettext_lazy("Withdrew %(number)s title.", "Withdrew %(number)s titles.", "number"),
        bulk.withdraw,
        ReasonForm,
    ),
    "plan_selected": Act(
        gettext_lazy("Plan"),
        ngettext_lazy(
            "Publish or withdraw this title later?", "Publish or withdraw these %(number)s titles later?", "number"
        ),
        ngettext_lazy("Planned for %(number)s title.", "Planned for %(number)s titles.", "number"),
        bulk.plan,
        PlanForm,
    ),
    "review_selected": Act(
        gettext_lazy("Ask for review"),
        ngettext_lazy(
            "Ask somebody else to publish this title?",
            "Ask somebody else to publish these %(number)s titles?",
            "number",
        ),
        ngettext_lazy("Asked for %(number)s title.", "Asked for %(number)s titles.", "number"),
        bulk.ask_for_review,
        NoteForm,
    ),
    "collect_selected": Act(
        gettext_lazy("Add to collection"),
        ngettext_lazy("Add this title to a collection?", "Add these %(number)s titles to a collection?", "number"),
        ngettext_lazy("Added %(number)s title.", "Added %(number)s titles.", "number"),
        _collect,
        CollectionForm,
        most=500,
    ),
    "license_selected": Act(
        gettext_lazy("Add licence"),
        ngettext_lazy(
            "Add a licence to this title? From then on deliveries leave its licences alone.",
            "Add a licence to these %(number)s titles? From then on deliveries leave their licences alone.",
            "number",
        ),
        ngettext_lazy("Licensed %(number)s title.", "Licensed %(number)s titles.", "number"),
        bulk.license_,
        LicenceForm,
        most=MOST_REWRITTEN,
    ),
}


class PublishingPages(LargeList):
    """The acts upon titles, each after a question."""

    actions = (*ACTS, "merge_selected")

    def has_publish_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Say whether this member of staff may make titles public."""
        return request.user.has_perm("catalog.publish_title")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer to publish what is not public, and to withdraw what is; nothing for what another title answers for."""
        title = Title.objects.filter(pk__in=_ids([str(object_id)])).only("state", "merged_into").first()
        if title is not None and title.merged_into_id is not None:
            return []
        idle = "publish_one" if title is not None and title.state == State.PUBLISHED else "withdraw_one"
        offered = super().get_actions_detail(request, object_id)
        return [each for each in offered if each.action_name != f"catalog_title_{idle}"]

    def has_collect_permission(self, request: HttpRequest) -> bool:
        """Say whether this member of staff may arrange collections."""
        return request.user.has_perm("catalog.change_collection")

    def has_license_permission(self, request: HttpRequest) -> bool:
        """Say whether this member of staff may grant licences."""
        return request.user.has_perms(["catalog.change_title", "catalog.add_availabilitywindow"])

    @admin.action(description=gettext_lazy("Publish ..."), permissions=["publish"])
    def publish_selected(self, request: HttpRequest, queryset: QuerySet[Title]) -> HttpResponse | None:
        """Ask, then publish."""
        return self._confirmed(request, queryset, "publish_selected")

    @admin.action(description=gettext_lazy("Withdraw ..."), permissions=["publish"])
    def withdraw_selected(self, request: HttpRequest, queryset: QuerySet[Title]) -> HttpResponse | None:
        """Ask, then withdraw."""
        return self._confirmed(request, queryset, "withdraw_selected")

    @admin.action(description=gettext_lazy("Publish or withdraw later ..."), permissions=["publish"])
    def plan_selected(self, request: HttpRequest, queryset: QuerySet[Title]) -> HttpResponse | None:
        """Ask what and when, then plan it."""
        return self._confirmed(request, queryset, "plan_selected")

    @admin.action(description=gettext_lazy("Ask for review ..."), permissions=["change"])
    def review_selected(self, request: HttpRequest, queryset: QuerySet[Title]) -> HttpResponse | None:
        """Ask what the reviewer should know, then ask for the reviews."""
        return self._confirmed(request, queryset, "review_selected")

    @admin.action(description=gettext_lazy("Add to a collection ..."), permissions=["collect"])
    def collect_selected(self, request: HttpRequest, queryset: QuerySet[Title]) -> HttpResponse | None:
        """Ask which, then add them."""
        return self._confirmed(request, queryset, "collect_selected")

    @admin.action(description=gettext_lazy("Add a licence ..."), permissions=["license"])
    def license_selected(self, request: HttpRequest, queryset: QuerySet[Title]) -> HttpResponse | None:
        """Ask which, then grant it."""
        return self._confirmed(request, queryset, "license_selected")

    @action(description=gettext_lazy("Publish ..."), url_path="publish", permissions=["publish"], icon="publish")  # type: ignore[operator]  # unfold calls its decorator an Action
    def publish_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask before publishing this title, unless it is public."""
        title = title_or_404(object_id)
        if title.merged_into_id is not None:
            return self._not_now(request, title, _("This title was merged into another, which answers under its id."))
        if title.state == State.PUBLISHED:
            return self._not_now(request, title, _("This title is public already."))
        return self._ask(request, [title.pk], "publish_selected")

    @action(description=gettext_lazy("Withdraw ..."), url_path="withdraw", permissions=["publish"], icon="unpublished")  # type: ignore[operator]  # unfold calls its decorator an Action
    def withdraw_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask before withdrawing this title, unless it is not public."""
        title = title_or_404(object_id)
        if title.merged_into_id is not None:
            return self._not_now(request, title, _("This title was merged into another, which answers under its id."))
        if title.state != State.PUBLISHED:
            return self._not_now(request, title, _("This title is not public."))
        return self._ask(request, [title.pk], "withdraw_selected")

    def _not_now(self, request: HttpRequest, title: Title, said: str) -> HttpResponse:
        """Say on the title's page why there is nothing to ask: somebody was quicker, or the address is an old one."""
        self.message_user(request, said, messages.WARNING)
        return HttpResponseRedirect(reverse("admin:catalog_title_change", args=[title.pk]))

    def _ask(
        self, request: HttpRequest, title_ids: list[UUID], name: str, form: forms.BaseForm | None = None
    ) -> HttpResponse:
        act, numbers = ACTS[name], {"number": len(title_ids)}
        shown = Title.objects.filter(pk__in=title_ids).order_by("-pk").prefetch_related("texts")[:SHOWN_TITLES]
        context = {
            **self.admin_site.each_context(request),
            "title": act.verb,
            "opts": self.opts,
            "verb": act.verb,
            "question": act.question % numbers,
            "form": form or act.form(prefix=PREFIX),
            "action": name,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "target": reverse("admin:catalog_title_changelist"),
            "ids": title_ids,
            "titles": [(name_of(title), title.get_kind_display(), title.get_state_display()) for title in shown],
            "more": len(title_ids) - SHOWN_TITLES,
        }
        context["media"] = self.media + context["form"].media
        return TemplateResponse(request, "catalog/admin/confirm.html", context)

    def _confirmed(self, request: HttpRequest, queryset: QuerySet[Title], name: str) -> HttpResponse | None:
        act = ACTS[name]
        if "confirmed" not in request.POST:
            ids = list(queryset.order_by("-pk").values_list("pk", flat=True)[: act.most + 1])
            if len(ids) > act.most:
                said = _("Choose at most %(number)s titles at once.") % {"number": f"{act.most:,}"}
                self.message_user(request, said, messages.ERROR)
                return None
            return self._ask(request, ids, name)
        # Those that were shown and confirmed, whatever the list's filters hold by now.
        ids = _ids(request.POST.getlist(ACTION_CHECKBOX_NAME))[: act.most]
        form = act.form(request.POST, prefix=PREFIX)
        if not form.is_valid():
            return self._ask(request, ids, name, form)
        asked: dict[str, Any] = {"window": form.cleaned_data} if name == "license_selected" else form.cleaned_data
        if name == "license_selected":
            asked["may_publish"] = self.has_publish_permission(request)
        try:
            outcome = act.run(title_ids=ids, by=staff.actor(request), now=clock.now(), **asked)
        except DomainError as error:
            self.message_user(request, refusal(error), messages.ERROR)
            return None
        self._say(request, act, outcome)
        return None

    def _say(self, request: HttpRequest, act: Act, outcome: Outcome) -> None:
        """Say what came of it, and of the first that refused, why."""
        if outcome.done or not (outcome.waiting or outcome.refused):
            self.message_user(request, act.done % {"number": outcome.done}, messages.SUCCESS)
        if outcome.waiting:
            said = ngettext(
                "%(number)s title waits for a review.", "%(number)s titles wait for a review.", outcome.waiting
            )
            self.message_user(request, said % {"number": outcome.waiting}, messages.INFO)
        shown = Title.objects.prefetch_related("texts").in_bulk(list(outcome.refused)[:SHOWN_PROBLEMS])
        for title_id, title in shown.items():
            self.message_user(request, f"{name_of(title)}: {refusal(outcome.refused[title_id])}", messages.WARNING)
        if (more := len(outcome.refused) - len(shown)) > 0:
            said = ngettext("... and %(number)s more.", "... and %(number)s more.", more) % {"number": more}
            self.message_user(request, said, messages.WARNING)


def _ids(sent: list[str]) -> list[UUID]:
    """Answer the ids among what was sent; what is none names no title."""
    ids = []
    for text in sent:
        with suppress(ValueError):
            ids.append(UUID(text))
    return ids
