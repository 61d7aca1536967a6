"""Titles published and withdrawn, one by one or many at once, each time after a question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action

from catalog.admin import staff
from catalog.admin.lists import LargeList
from catalog.admin.naming import name_of
from catalog.models import (
    Title,
)
from catalog.services import publication
from core import clock

SHOWN_PROBLEMS = 5
MOST_AT_ONCE = 1000
"""So many titles are published one by one within a request's patience; beyond, a provider's policy is the way."""


class PublishingPages(LargeList):
    """The acts that make titles public, and take them back."""

    actions = ("publish_selected", "withdraw_selected")

    def has_publish_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Say whether this member of staff may make titles public."""
        return request.user.has_perm("catalog.publish_title")

    @admin.action(description="Publish ...", permissions=["publish"])
    def publish_selected(self, request: HttpRequest, queryset: QuerySet[Title]) -> HttpResponse | None:
        """Ask, then publish."""
        return self._confirmed(request, queryset, "publish_selected", "Publish", publication.publish_many)

    @admin.action(description="Withdraw ...", permissions=["publish"])
    def withdraw_selected(self, request: HttpRequest, queryset: QuerySet[Title]) -> HttpResponse | None:
        """Ask, then withdraw."""
        return self._confirmed(request, queryset, "withdraw_selected", "Withdraw", publication.withdraw_many)

    @action(description="Publish ...", url_path="publish", permissions=["publish"], icon="publish")  # type: ignore[operator]  # unfold calls its decorator an Action
    def publish_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask before publishing this title."""
        return self._ask(request, Title.objects.filter(pk=object_id), "publish_selected", "Publish")

    @action(description="Withdraw ...", url_path="withdraw", permissions=["publish"], icon="unpublished")  # type: ignore[operator]  # unfold calls its decorator an Action
    def withdraw_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask before withdrawing this title."""
        return self._ask(request, Title.objects.filter(pk=object_id), "withdraw_selected", "Withdraw")

    def _ask(self, request: HttpRequest, queryset: QuerySet[Title], action: str, verb: str) -> HttpResponse:
        titles = list(queryset.order_by("-pk").prefetch_related("texts")[:MOST_AT_ONCE])
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb} {len(titles):,} titles",
            "opts": self.opts,
            "verb": verb,
            "action": action,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "target": reverse("admin:catalog_title_changelist"),
            "titles": [
                (title.pk, name_of(title), title.get_kind_display(), title.get_state_display()) for title in titles
            ],
        }
        return TemplateResponse(request, "catalog/admin/confirm.html", context)

    def _confirmed(
        self, request: HttpRequest, queryset: QuerySet[Title], action: str, verb: str, act: Callable[..., Any]
    ) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            if len(queryset.values("pk")[: MOST_AT_ONCE + 1]) > MOST_AT_ONCE:
                message = f"Choose at most {MOST_AT_ONCE:,} titles at once, or change the provider's policy."
                self.message_user(request, message, messages.ERROR)
                return None
            return self._ask(request, queryset, action, verb)
        # Those that were shown and confirmed, whatever the list's filters hold by now.
        ids = [UUID(title_id) for title_id in request.POST.getlist(ACTION_CHECKBOX_NAME)]
        done, refused = act(title_ids=ids, by=staff.actor(request), now=clock.now())
        if done:
            self.message_user(request, f"{verb}ed {done:,} titles.".replace("Withdrawed", "Withdrew"), messages.SUCCESS)
        for title_id, error in list(refused.items())[:SHOWN_PROBLEMS]:
            self.message_user(request, f"{name_of(Title.objects.get(pk=title_id))}: {error}", messages.WARNING)
        if len(refused) > SHOWN_PROBLEMS:
            self.message_user(request, f"... and {len(refused) - SHOWN_PROBLEMS:,} more.", messages.WARNING)
        return None
