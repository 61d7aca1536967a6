"""Films: attached, watched while they are packaged, made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.core.files.storage import storages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from catalog.admin import staff
from catalog.admin.displaying import may
from catalog.admin.naming import name_of
from catalog.admin.playing import PlayingPages, film_address
from catalog.admin.words import gettext_lazy as _
from catalog.admin.words import refusal
from catalog.models import Artwork, MediaPackage, MediaSubtitles, Title
from catalog.problems import step_in_words, told_in_words
from catalog.selectors import media as selectors
from catalog.services import artwork, media
from catalog.tasks import package_media
from core import clock
from core.errors import DomainError

State = MediaPackage.State
_OF_THE_MOMENT = ("disturbed", "took_too_long")
"""Failures that the same file may be without when it is packaged again; any other needs another file."""
COLOURS: dict[str, str] = {
    State.LIVE: "success",
    State.FAILED: "danger",
    State.RUNNING: "warning",
    State.QUEUED: "info",
    State.RETIRED: "default",
}


class TitleField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs alone
    """A title by the name that staff call it."""

    def label_from_instance(self, title: Title) -> str:
        """Name it."""
        return name_of(title)


class FilmForm(forms.Form):
    """A film to attach: sent from here, or lying in the storage already."""

    title = TitleField(
        Title.objects.all(),
        widget=AutocompleteSelect(MediaPackage._meta.get_field("title"), admin.site, attrs={"style": "width: 100%"}),
        label=_("Title"),
    )
    file = forms.FileField(
        required=False,
        widget=UnfoldAdminFileFieldWidget,
        help_text=_("MP4, MOV, MKV, MXF and others."),
        label=_("File"),
    )
    place = forms.CharField(
        required=False,
        max_length=400,
        widget=UnfoldAdminTextInputWidget,
        label=_("Or a file in the storage"),
        help_text=_("Its name under incoming/ in the private storage: for films too large to send from here."),
    )

    def clean(self) -> dict[str, Any]:
        """Ask for one of the two."""
        values = super().clean() or {}
        if bool(values.get("file")) == bool(values.get("place")):
            raise forms.ValidationError(gettext("Choose a file here, or name one in the storage."))
        return values


class SubtitlesForm(forms.Form):
    """Subtitles that come in a file of their own."""

    language = forms.CharField(
        max_length=20, widget=UnfoldAdminTextInputWidget, help_text=_("Such as en, de or pt-BR."), label=_("Language")
    )
    role = forms.ChoiceField(choices=MediaSubtitles.Role.choices, widget=UnfoldAdminSelectWidget, label=_("Role"))
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget, help_text=_("SRT or WebVTT, in any encoding."), label=_("File")
    )


@admin.register(MediaPackage)
class MediaPackageAdmin(PlayingPages):
    """Films and how far they are. Adding one attaches a file to a title."""

    list_display = ("heading", "source", "state_label", "progress_label", "step_label", "length", "created_at")
    list_display_links = ("heading",)
    list_filter = ("state",)
    list_select_related = ("source", "title")
    search_fields = ("source__name__icontains",)
    search_help_text = _("The name of the file")
    ordering = ("-created_at",)
    sortable_by = ("created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MediaPackage]:
        """Fetch what a row shows."""
        packages: QuerySet[MediaPackage] = super().get_queryset(request)
        return packages.prefetch_related("title__texts")

    @display(description=_("title"))
    def heading(self, package: MediaPackage) -> str:
        """Name the title."""
        return name_of(package.title)

    @display(description=_("state"), label=COLOURS)
    def state_label(self, package: MediaPackage) -> tuple[str, str]:
        """Colour the state."""
        return package.state, package.get_state_display()

    @display(description=_("done"))
    def progress_label(self, package: MediaPackage) -> str:
        """Say how far it is."""
        return f"{package.progress} %"

    @display(description=_("step"))
    def step_label(self, package: MediaPackage) -> str:
        """Say what it is at, or why it failed."""
        return told_in_words(package.failure) if package.state == State.FAILED else step_in_words(package.step)

    @display(description=_("length"))
    def length(self, package: MediaPackage) -> str:
        """Answer how long the film is."""
        return clock_of(package.duration_seconds) if package.duration_seconds else "-"

    def get_urls(self) -> list[Any]:
        """Add the pictures of a package, and what can be done about it."""
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:package_id>/posters/<int:number>", wrap(self.poster), name="catalog_mediapackage_poster"),
            path("<uuid:package_id>/posters/<int:number>/use", wrap(self.use_poster), name="catalog_mediapackage_use"),
            path("<uuid:package_id>/retry", wrap(self.retry), name="catalog_mediapackage_retry"),
            path("<uuid:package_id>/subtitles", wrap(self.subtitles), name="catalog_mediapackage_subtitles"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Take a film, store it, queue it, and show how it goes.

        Outside the transaction that the admin's own form runs in: the file goes to a storage server first.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = FilmForm(request.POST or None, request.FILES or None, initial={"title": request.GET.get("title")})
        if request.method == "POST" and form.is_valid():
            values = form.cleaned_data
            common: dict[str, Any] = {"title_id": values["title"].pk, "by": staff.actor(request), "now": clock.now()}
            try:
                if values["file"]:
                    package = media.attach(name=values["file"].name, content=values["file"], **common)
                else:
                    package = media.attach_stored(place=values["place"], **common)
            except DomainError as error:
                form.add_error(None, refusal(error))
            else:
                return self._queued(request, package, values["title"].pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Attach a film"),
            "opts": self.opts,
            "form": form,
            "verb": _("Attach and package"),
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "catalog/admin/upload.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a package: how far it is, what was found in the film, what was made of it, or why it failed.

        The page reloads itself until the job has ended.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        package = self._package(object_id)
        facts = package.facts
        context = {
            **self.admin_site.each_context(request),
            "title": f"{name_of(package.title)}: {package.source.name}",
            "opts": self.opts,
            "package": package,
            # Where a film failed, its reason says more than the step does.
            "step": "" if package.state == State.FAILED else step_in_words(package.step),
            "title_link": reverse("admin:catalog_title_change", args=[package.title_id]),
            "running": package.state in {State.QUEUED, State.RUNNING},
            "may_change": self.has_add_permission(request),
            "failure": told_in_words(package.failure),
            "can_retry": package.failure_code in _OF_THE_MOMENT and bool(package.source.file),
            "attach": f"{reverse('admin:catalog_mediapackage_add')}?title={package.title_id}",
            "tables": _tables(facts),
            "notes": [told_in_words(note) for note in facts.get("notes", [])],
            "posters": [
                tuple(
                    reverse(f"admin:catalog_mediapackage_{name}", args=[package.pk, number])
                    for name in ("poster", "use")
                )
                for number in range(len(facts.get("posters", [])))
                if package.folder
            ],
            "watch": film_address(package) if self.has_add_permission(request) else "",
            "figures": _figures(package),
            "beside": MediaSubtitles.objects.filter(title=package.title_id).order_by("language", "role"),
            "form": SubtitlesForm(),
            "others": [
                (_address(other.pk), other) for other in selectors.packages_of(package.title_id) if other != package
            ],
        }
        return TemplateResponse(request, "catalog/admin/package.html", context)

    def poster(self, request: HttpRequest, package_id: UUID, number: int) -> HttpResponse:
        """Answer a picture of the film, which lies where no browser may look."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        data = _poster(self._package(str(package_id)), number)
        return HttpResponse(data, content_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    def use_poster(self, request: HttpRequest, package_id: UUID, number: int) -> HttpResponse:
        """Make a picture of the film the title's still."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        package = self._package(str(package_id))
        try:
            artwork.attach(
                title_id=package.title_id, kind=Artwork.Kind.STILL, data=_poster(package, number), now=clock.now(),
                by=staff.actor(request), may_publish=request.user.has_perm("catalog.publish_title"),
            )  # fmt: skip
        except DomainError as error:
            messages.error(request, refusal(error))
            return HttpResponseRedirect(_address(package_id))
        messages.success(request, gettext("It is the title's still from now on."))
        return HttpResponseRedirect(reverse("admin:catalog_title_artwork_one", args=[package.title_id]))

    def retry(self, request: HttpRequest, package_id: UUID) -> HttpResponse:
        """Package a film again that failed."""
        return self._act(
            request, package_id, lambda by: media.retry(package_id=package_id, by=by, now=clock.now()), "retried"
        )

    def subtitles(self, request: HttpRequest, package_id: UUID) -> HttpResponse:
        """Add subtitles to a film, or take them away."""

        def change(by: str) -> MediaPackage | None:
            title_id = self._package(str(package_id)).title_id
            common: dict[str, Any] = {"title_id": title_id, "by": by, "now": clock.now()}
            if "remove" in request.POST:
                language, _, role = request.POST["remove"].partition("/")
                return media.remove_subtitles(language=language, role=role, **common)
            form = SubtitlesForm(request.POST, request.FILES)
            if not form.is_valid():
                raise media.SubtitlesRefused(gettext("Name the language, and choose a file of SRT or WebVTT."))
            file = form.cleaned_data["file"]
            return media.attach_subtitles(
                language=form.cleaned_data["language"], role=form.cleaned_data["role"], name=file.name,
                data=file.read(), **common,
            )  # fmt: skip

        return self._act(request, package_id, change, "taken")

    def _act(
        self, request: HttpRequest, package_id: UUID, act: Callable[[str], MediaPackage | None], done: str
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            package = act(staff.actor(request))
        except DomainError as error:
            messages.error(request, refusal(error))
            return HttpResponseRedirect(_address(package_id))
        return self._queued(request, package, self._package(str(package_id)).title_id)

    def _queued(self, request: HttpRequest, package: MediaPackage | None, title_id: UUID) -> HttpResponse:
        if package is None:
            messages.info(request, gettext("This film is packaged already, as it is."))
            return HttpResponseRedirect(_address(selectors.packages_of(title_id)[0].pk))
        package_media.delay(package_id=str(package.pk))
        messages.success(request, gettext("%(name)s is queued.") % {"name": package.source})
        return HttpResponseRedirect(_address(package.pk))

    def _package(self, package_id: str) -> MediaPackage:
        try:
            return MediaPackage.objects.select_related("source", "title").get(pk=UUID(package_id))
        except (ValueError, MediaPackage.DoesNotExist) as error:
            raise Http404 from error


def film_of(title: Title) -> SafeString | str:
    """Answer how it stands with a title's film, for its own page."""
    packages = selectors.packages_of(title.pk)
    attach: SafeString | str = ""
    if may(title, "catalog.add_mediapackage"):
        address = f"{reverse('admin:catalog_mediapackage_add')}?title={title.pk}"
        attach = format_html('<a class="underline" href="{}">{}</a>', address, gettext("Attach a film"))
    if not packages:
        return attach or gettext("None yet")
    newest = packages[0]
    state = f"{newest.progress} %" if newest.state == State.RUNNING else newest.get_state_display()
    return format_html(
        '<a class="underline" href="{}">{}</a> ({}){}{}', _address(newest.pk), newest.source, state, "; " if attach else "", attach
    )  # fmt: skip


def clock_of(seconds: float) -> str:
    """Answer a length as people read it."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _address(package_id: UUID) -> str:
    return reverse("admin:catalog_mediapackage_change", args=[package_id])


def _poster(package: MediaPackage, number: int) -> bytes:
    try:
        with storages["packages"].open(f"{package.folder}/{package.facts['posters'][number]}") as file:
            data: bytes = file.read()
    except (KeyError, IndexError, FileNotFoundError) as error:
        raise Http404 from error
    return data


def _figures(package: MediaPackage) -> list[tuple[str, str]]:
    found = package.facts.get("source", {})
    if not found:
        return []
    return [
        (gettext("Length"), clock_of(package.duration_seconds or 0)),
        (
            gettext("Source"),
            f"{found['width']} x {found['height']}, {found['frame_rate']:g} fps, {found['codec']}",
        ),
        (gettext("Picture"), package.facts.get("hdr") or gettext("Standard dynamic range")),
        (gettext("All files"), f"{(package.size or 0) / 1_000_000:,.1f} MB"),
    ]


def _tables(facts: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    if not facts:
        return []
    rungs = [[f"{rung['width']} x {rung['height']}", f"{facts['frame_rate']:g}"] for rung in facts["rungs"]]
    layouts = {1: "mono", 2: "stereo", 6: "5.1"}
    sounds = [
        [
            track["label"], track["language"], track["role"], layouts.get(track["channels"], track["channels"]),
            f"{track['kbps']} kbit/s",
        ]
        for track in facts["audio"]
    ]  # fmt: skip
    texts = [[track["label"], track["language"], track["role"]] for track in facts["text"]]
    tables = [
        (gettext("Sizes"), {"headers": [gettext("pixels"), gettext("frames a second")], "rows": rungs}),
        (
            gettext("Sound"),
            {
                "headers": [
                    gettext("name"),
                    gettext("language"),
                    gettext("role"),
                    gettext("channels"),
                    gettext("rate"),
                ],
                "rows": sounds,
            },
        ),
        (gettext("Subtitles"), {"headers": [gettext("name"), gettext("language"), gettext("role")], "rows": texts}),
    ]
    return [(name, table) for name, table in tables if table["rows"]]
