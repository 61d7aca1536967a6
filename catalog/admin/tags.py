"""Genres, which are a tree, and keywords: named, arranged, merged."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin

from catalog.admin.lists import LargeList, Refusing
from catalog.admin.words import gettext_lazy, refusal
from catalog.models import Genre, Keyword, ProfileBlock
from catalog.services import kept, tags
from core.errors import DomainError


class TagForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A name that was given up stands for its tag, and may be taken back: the service says what is taken."""

    def validate_unique(self) -> None:
        """Leave it to the service."""


class Tags(Refusing):
    """What titles are about; two that are one are merged, and what deliveries call them goes on meaning them."""

    form = TagForm
    actions = ("merge_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave out the names that stand for another."""
        return super().get_queryset(request).filter(merged_into__isnull=True)

    @admin.action(description=gettext_lazy("Merge two ..."), permissions=["change"])
    def merge_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask which name stays, then merge."""
        chosen = list(queryset.order_by("pk")[:3])
        if len(chosen) != 2:
            self.message_user(request, _("Choose two that are one."), messages.ERROR)
            return None
        if "confirmed" not in request.POST:
            return self._ask(request, chosen)
        stays = next((tag for tag in chosen if str(tag.pk) == request.POST.get("kept")), chosen[0])
        [goes] = [tag for tag in chosen if tag != stays]
        try:
            tags.merge(model=self.model, kept_id=stays.pk, merged_id=goes.pk)
        except DomainError as error:
            self.message_user(request, refusal(error), messages.ERROR)
        else:
            said = _("%(merged)s is %(kept)s from now on, in later deliveries too.") % {"merged": goes, "kept": stays}
            self.message_user(request, said, messages.SUCCESS)
        return None

    def _ask(self, request: HttpRequest, chosen: list[Any]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Two that are one"),
            "opts": self.opts,
            "question": _(
                "Which name stays? Titles and blocks go over to it, and deliveries that use the other mean it."
            ),
            "people": [{"pk": tag.pk, "name": tag.name} for tag in chosen],
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "target": reverse(f"admin:catalog_{self.opts.model_name}_changelist"),
        }
        return TemplateResponse(request, "catalog/admin/people.html", context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Refuse what households have blocked: they would see again what they never wanted to."""
        listed, counts, lacking, protected = super().get_deleted_objects(objs, request)
        if ProfileBlock.objects.filter(**{f"{self.opts.model_name}__in": objs}).exists():
            lacking.discard(ProfileBlock._meta.verbose_name)
            protected.append(_("Profiles have blocked it: merge it with another one, to which their blocks go over."))
        return listed, counts, lacking, protected

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete it, and let no older answer stand."""
        super().delete_model(request, obj)
        kept.changed()

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Delete those, and let no older answer stand."""
        super().delete_queryset(request, queryset)
        kept.changed()


@admin.register(Genre)
class GenreAdmin(Tags, ModelAdmin):  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    """Genres: a tree of a few hundred at most."""

    list_display = ("name", "slug", "parent")
    list_select_related = ("parent",)
    search_fields = ("name",)
    ordering = ("name",)
    autocomplete_fields = ("parent",)
    prepopulated_fields = {"slug": ("name",)}

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Fill the slug in once: addresses and deliveries know a genre by it."""
        return {} if obj else self.prepopulated_fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Hand it to the service."""
        values = form.cleaned_data
        parent = values["parent"]
        saved = tags.save_genre(
            genre_id=obj.pk, name=values["name"], slug=values["slug"], parent_id=parent.pk if parent else None
        )
        obj.pk, obj._state.adding = saved.pk, False


@admin.register(Keyword)
class KeywordAdmin(Tags, LargeList):  # type: ignore[misc]  # the stubs of unfold and Django disagree on an attribute
    """Subjects."""

    list_display = ("name",)
    search_fields = ("name__startswith",)
    ordering = ("name",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Hand it to the service."""
        saved = tags.save_keyword(keyword_id=obj.pk, name=form.cleaned_data["name"])
        obj.pk, obj._state.adding = saved.pk, False
