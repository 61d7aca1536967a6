"""What is to be published and withdrawn later, across the catalogue: what comes next, what went wrong, what was refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.decorators import display

from catalog.admin import staff
from catalog.admin.lists import Decided, NamedActors, WaitingFilter
from catalog.admin.naming import link_to
from catalog.admin.words import gettext_lazy as _
from catalog.admin.words import refusal
from catalog.models import ScheduledAct
from catalog.refusals import in_words
from catalog.services import scheduling
from core import clock
from core.errors import DomainError

State = ScheduledAct.State
_GOES_WRONG = "goes_wrong"


class PendingFilter(WaitingFilter):
    """What is still to come."""

    waiting = State.PENDING


class Plans(NamedActors):
    """Plans, and who made them."""

    of = ("by", "called_off_by")


@admin.register(ScheduledAct)
class ScheduledActAdmin(Decided):
    """Plans: of those to come the next one first, of others the newest. They are made on a title's page."""

    list_display = ("name", "action_label", "instant", "state_label", "told", "by_name", "reason")
    list_display_links = None
    list_filter = (PendingFilter, "action")
    actions = ("call_off",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """List them with names."""
        return Plans

    def get_ordering(self, request: HttpRequest) -> tuple[str, str]:
        """Put first what staff look for."""
        asked = request.GET.get(PendingFilter.parameter_name, State.PENDING)
        return ("at", "pk") if asked == State.PENDING else ("-at", "-pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScheduledAct]:
        """Fetch what a row of the list shows, in a few queries."""
        acts: QuerySet[ScheduledAct] = super().get_queryset(request)
        return acts.select_related("title").prefetch_related("title__texts")

    @display(description=_("title"))
    def name(self, act: ScheduledAct) -> SafeString:
        """Link the title."""
        return link_to(act.title)

    @display(description=_("action"))
    def action_label(self, act: ScheduledAct) -> str:
        """Say what is to be done."""
        return act.get_action_display()

    @display(description=_("when"))
    def instant(self, act: ScheduledAct) -> SafeString:
        """Say when, and when it is tried again."""
        at = f"{act.at:%Y-%m-%d %H:%M} UTC"
        if act.state != State.PENDING or act.retry_at is None:
            return SafeString(at)
        again = gettext("again at %(at)s") % {"at": f"{act.retry_at:%H:%M}"}
        return format_html("{}<br>{}", at, again)

    @display(
        description=_("state"),
        label={
            State.PENDING: "info",
            _GOES_WRONG: "danger",
            State.DONE: "success",
            State.REFUSED: "danger",
            State.CANCELLED: "default",
        },
    )
    def state_label(self, act: ScheduledAct) -> tuple[str, str]:
        """Colour the state; what has gone wrong so far is not as planned."""
        if act.state == State.PENDING and act.attempts:
            return _GOES_WRONG, gettext("Went wrong")
        return act.state, act.get_state_display()

    @display(description=_("outcome"))
    def told(self, act: Any) -> str:
        """Say why it was refused, or has not been done."""
        return outcome_of(act, act.actors)

    @display(description=_("by"))
    def by_name(self, act: Any) -> str:
        """Name who planned it."""
        return str(act.actors.get(act.by, act.by))

    @admin.action(description=_("Call off"), permissions=["change"])
    def call_off(self, request: HttpRequest, queryset: QuerySet[ScheduledAct]) -> None:
        """Drop what is chosen."""
        for act_id in queryset.values_list("pk", flat=True):
            try:
                scheduling.call_off(act_id=act_id, by=staff.actor(request), now=clock.now())
            except DomainError as error:
                self.message_user(request, refusal(error), messages.ERROR)
            else:
                self.message_user(request, gettext("It is called off."), messages.SUCCESS)


def outcome_of(act: ScheduledAct, names: Mapping[str, str]) -> str:
    """Answer what became of a plan, in the language at hand; `names` are those of whoever called one off."""
    if who := act.called_off_by:
        return gettext("Called off by %(name)s") % {"name": names.get(who, who)}
    return in_words(act.outcome)
