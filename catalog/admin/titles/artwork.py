"""The images of a title: sent from here, described, focused, tried again, removed.

Everything works without a script: a click on a picture is a form of its own, and the same can be typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from catalog import pictures, rules
from catalog.admin import staff
from catalog.admin.displaying import linked, may
from catalog.admin.lists import LargeList
from catalog.admin.naming import address_of, name_of, title_or_404
from catalog.admin.words import gettext_lazy as _
from catalog.admin.words import refusal
from catalog.models import Artwork, Title
from catalog.models.artwork import MAX_ATTEMPTS
from catalog.models.places import validate_country
from catalog.models.titles import State
from catalog.refusals import in_words
from catalog.services import artwork
from core import clock
from core.addresses import shown
from core.errors import DomainError

SHOWN_WITHIN = (640, 480)
"""The picture that is clicked on, in CSS pixels."""
CROPS = ((_("Square"), 160, 160), (_("Wide"), 240, 135), (_("Upright"), 107, 160), (_("Banner"), 320, 107))


class DescriptionForm(forms.Form):
    """What an image is."""

    kind = forms.ChoiceField(choices=Artwork.Kind.choices, widget=UnfoldAdminSelectWidget, label=_("Kind"))
    language = forms.CharField(
        required=False,
        max_length=20,
        widget=UnfoldAdminTextInputWidget,
        label=_("Language"),
        help_text=_(
            "Of the words in it, with a region where it matters: de, pt-BR. Empty: no words, or the same everywhere."
        ),
    )

    region = forms.CharField(
        required=False,
        max_length=2,
        widget=UnfoldAdminTextInputWidget,
        label=_("Country"),
        help_text=_(
            "ISO 3166-1, such as AT, if it is made for that country: there it comes before the others. Empty: everywhere."
        ),
    )

    def clean_region(self) -> str:
        """Refuse what is no country."""
        code: str = self.cleaned_data["region"].strip().upper()
        if code:
            validate_country(code)
        return code

    def clean_language(self) -> str:
        """Refuse what is no language tag."""
        tag: str = self.cleaned_data["language"].strip()
        if tag and not rules.is_language_tag(tag):
            raise forms.ValidationError(
                gettext("Write a language tag of BCP 47, such as de or pt-BR."), code="unknown_language"
            )
        return tag


class ImageForm(DescriptionForm):
    """An image to send."""

    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget({"accept": "image/jpeg,image/png,image/webp,image/avif"}),
        label=_("File"),
        help_text=_(
            "JPEG, PNG, WebP or AVIF, at most 20 MB and 40 million pixels. It takes the place of the first image of its kind, language and country."
        ),
    )

    def clean_file(self) -> UploadedFile[bytes]:
        """Refuse what is too large before it is read."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > pictures.MAX_BYTES:
            raise forms.ValidationError(
                gettext("The file has %(size)s MB; %(most)s are the most. Make the image smaller.")
                % {"size": f"{(file.size or 0) / 2**20:.1f}", "most": pictures.MAX_BYTES >> 20}
            )
        return file


class PointForm(forms.Form):
    """What must stay in view, in percent."""

    x = forms.IntegerField(
        min_value=0, max_value=100, label=_("From the left, %"), widget=UnfoldAdminIntegerFieldWidget
    )
    y = forms.IntegerField(min_value=0, max_value=100, label=_("From the top, %"), widget=UnfoldAdminIntegerFieldWidget)


class ArtworkPages(LargeList):
    """The pages of a title's images."""

    def get_urls(self) -> list[Any]:
        """Add the pages of one image."""
        wrap, place = self.admin_site.admin_view, "<uuid:title_id>/artwork/<int:image_id>/"
        return [
            path(place, wrap(self.image_page), name="catalog_title_image"),
            path(f"{place}focus", wrap(self.focus), name="catalog_title_image_focus"),
            path(f"{place}retry", wrap(self.retry), name="catalog_title_image_retry"),
            path(f"{place}remove", wrap(self.remove), name="catalog_title_image_remove"),
            *super().get_urls(),
        ]

    def has_artwork_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Say whether this member of staff may change titles."""
        return request.user.has_perm("catalog.change_title")

    @action(description=_("Artwork"), url_path="artwork", permissions=["artwork"], icon="image")  # type: ignore[operator]  # unfold calls its decorator an Action
    def artwork_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show a title's images and how far they are, and take another."""
        title = title_or_404(object_id)
        form = ImageForm(request.POST or None, request.FILES or None, initial=request.GET.dict())
        if request.method == "POST" and form.is_valid():
            values = form.cleaned_data
            try:
                image = artwork.attach(
                    title_id=title.pk, kind=values["kind"], language=values["language"], region=values["region"],
                    data=values["file"].read(), **self._editor(request),
                )  # fmt: skip
            except DomainError as error:
                form.add_error("file", refusal(error))
            else:
                messages.success(request, gettext("It is shown from now on; its sizes are drawn within a minute."))
                if blurred := _blurred(image):
                    messages.warning(request, blurred)
                return HttpResponseRedirect(_address(title.pk))
        context = {
            "form": form,
            "images": [_shown(image) for image in title.artwork.order_by("kind", "language", "region", "position")],
            "back": address_of(title.pk),
        }
        return self._artwork_page(
            request,
            title,
            "catalog/admin/artwork.html",
            gettext("Artwork: %(name)s") % {"name": name_of(title)},
            context,
        )

    def image_page(self, request: HttpRequest, title_id: UUID, image_id: int) -> HttpResponse:
        """Show an image, where it is looked at and what it is, and take corrections."""
        title, image = self._image(request, title_id, image_id)
        description = {"kind": image.kind, "language": image.language, "region": image.region}
        form = DescriptionForm(request.POST or None, initial=description)
        if request.method == "POST" and form.is_valid():
            values = form.cleaned_data
            return self._done(
                request,
                title_id,
                lambda: artwork.describe(image_id=image_id, **values, **self._editor(request)),
                gettext("Saved."),
                back=request.path,
            )
        width, height = _within(image)
        context = {
            "form": form,
            "image": _shown(image),
            "picture": {"url": preview_of(image, 960), "width": width, "height": height} if image.file else None,
            "point": {"x": round(100 * image.focal_x, 1), "y": round(100 * image.focal_y, 1)},
            "point_form": PointForm(initial={"x": round(100 * image.focal_x), "y": round(100 * image.focal_y)}),
            "crops": CROPS,
            "back": _address(title.pk),
        }
        heading = f"{image.get_kind_display().split(',')[0]} {_place(image)}: {name_of(title)}"
        return self._artwork_page(request, title, "catalog/admin/image.html", heading, context)

    def focus(self, request: HttpRequest, title_id: UUID, image_id: int) -> HttpResponse:
        """Take the point that was clicked on in the picture, or typed."""
        _, image = self._image(request, title_id, image_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        point = _clicked(request, image)
        back = _address(title_id, image_id)
        if point is None:
            form = PointForm(request.POST)
            if not form.is_valid():
                messages.error(request, gettext("Click on the picture, or give two whole numbers from 0 to 100."))
                return HttpResponseRedirect(back)
            point = form.cleaned_data["x"] / 100, form.cleaned_data["y"] / 100
        said = gettext("It is looked at %(x)s%% from the left and %(y)s%% from the top.") % {
            "x": round(100 * point[0]),
            "y": round(100 * point[1]),
        }
        return self._done(
            request, title_id, lambda: artwork.focus(image_id=image_id, point=point, **self._editor(request)), said, back=back
        )  # fmt: skip

    def retry(self, request: HttpRequest, title_id: UUID, image_id: int) -> HttpResponse:
        """Have an image fetched or drawn again."""
        self._image(request, title_id, image_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        said = gettext("It is tried again within a minute.")
        return self._done(request, title_id, lambda: artwork.retry(image_id=image_id), said)

    def remove(self, request: HttpRequest, title_id: UUID, image_id: int) -> HttpResponse:
        """Ask, then take an image from its title."""
        title, image = self._image(request, title_id, image_id)
        if request.method == "POST":
            return self._done(
                request,
                title_id,
                lambda: artwork.remove(image_id=image_id, **self._editor(request)),
                gettext("It is removed."),
            )
        said = gettext(
            "%(image)s %(place)s of %(title)s goes for good: no delivery brings it back, nor does going back to an "
            "earlier version. Viewers see another language's image, or none."
        ) % {
            "image": image.get_kind_display().split(",")[0],
            "place": _place(image),
            "title": name_of(title),
        }
        context = {"form": forms.Form(), "verb": gettext("Remove"), "said": said, "back": _address(title_id, image_id)}
        return self._artwork_page(request, title, "catalog/admin/form.html", gettext("Remove an image"), context)

    def _image(self, request: HttpRequest, title_id: UUID, image_id: int) -> tuple[Title, Artwork]:
        if not self.has_artwork_permission(request):
            raise PermissionDenied
        image = Artwork.objects.filter(pk=image_id, title=title_id).first()
        if image is None:
            raise Http404
        return title_or_404(str(title_id)), image

    def _editor(self, request: HttpRequest) -> dict[str, Any]:
        may_publish = request.user.has_perm("catalog.publish_title")
        return {"by": staff.actor(request), "now": clock.now(), "may_publish": may_publish}

    def _done(
        self, request: HttpRequest, title_id: UUID, act: Callable[[], object], said: str, back: str = ""
    ) -> HttpResponse:
        try:
            act()
        except DomainError as error:
            messages.error(request, refusal(error))
        else:
            messages.success(request, said)
        return HttpResponseRedirect(back or _address(title_id))

    def _artwork_page(
        self, request: HttpRequest, title: Title, template: str, heading: str, context: dict[str, Any]
    ) -> TemplateResponse:
        shared = {
            **self.admin_site.each_context(request),
            "title": heading,
            "opts": self.opts,
            "may_change": title.state != State.PUBLISHED or request.user.has_perm("catalog.publish_title"),
        }
        return TemplateResponse(request, template, {**shared, **context})


def preview_of(image: Artwork, width: int) -> str:
    """Answer the address of an image's smallest size of at least `width`, or else of its largest."""
    sizes = [size for size in image.renditions if size["width"] >= width] or image.renditions[-1:]
    return default_storage.url(sizes[0]["webp"] if sizes else str(image.file.name))


def pictures_of(title: Title) -> SafeString | str:
    """Show the images that have arrived, for the title's own page, and say what went wrong with others."""
    images = list(title.artwork.all())
    previews = format_html_join(
        "",
        '<img src="{}" alt="{}" title="{}" loading="lazy" style="display:inline-block;height:150px;width:auto;margin-right:8px">',
        ((preview_of(image, 240), image.kind, str(image)) for image in images if image.file),
    )
    failed = Artwork.objects.filter(title=title).exclude(problem="").count()
    said = ngettext("%(number)s could not be taken", "%(number)s could not be taken", failed)
    leads = may(title, "catalog.change_title")
    called = gettext("Artwork") if previews else gettext("Add artwork") if leads else gettext("None yet")
    return format_html(
        "{}<div>{}{}</div>",
        previews,
        linked(_address(title.pk), called, leads=leads),
        ": " + said % {"number": failed} if failed else "",
    )


def _address(title_id: UUID, image_id: int | None = None) -> str:
    if image_id is None:
        return reverse("admin:catalog_title_artwork_one", args=[title_id])
    return reverse("admin:catalog_title_image", args=[title_id, image_id])


def _shown(image: Artwork) -> dict[str, Any]:
    """Answer what a page says of an image."""
    widths = ", ".join(str(size["width"]) for size in image.renditions)
    if image.problem and image.attempts < MAX_ATTEMPTS and image.due_at:
        state = gettext("It is tried again at %(at)s UTC.") % {"at": f"{image.due_at:%Y-%m-%d %H:%M}"}
    elif image.problem:
        state = gettext("It is not tried again by itself.")
    elif not image.file:
        state = (
            gettext("Announced, not fetched yet.")
            if image.source.startswith("http")
            else gettext("Announced, not delivered yet.")
        )
    else:
        state = (
            gettext("Drawn %(widths)s pixels wide.") % {"widths": widths}
            if widths
            else gettext("Shown as it came; its sizes are drawn within a minute.")
        )
    names = ("title_image", "title_image_retry")
    page, retry = (reverse(f"admin:catalog_{name}", args=[image.title_id, image.pk]) for name in names)
    return {
        "kind": image.get_kind_display(),
        "language": image.language,
        "region": image.region,
        "position": image.position,
        "size": f"{image.width} x {image.height}" if image.width else "",
        "url": preview_of(image, 320) if image.file else "",
        "source": shown(image.source) if image.source.startswith("http") else image.source,
        "problem": in_words(image.problem),
        "blurred": _blurred(image),
        "state": state,
        "page": page,
        "retry": retry,
        "remove": reverse("admin:catalog_title_image_remove", args=[image.title_id, image.pk]),
        "focus": reverse("admin:catalog_title_image_focus", args=[image.title_id, image.pk]),
    }


def _blurred(image: Artwork) -> str:
    """Say that an image is too small for where it is shown, and what size is needed; empty if it is large enough."""
    needed = pictures.SHARP[image.kind]
    if not image.file or not image.width or image.width >= needed:
        return ""
    return gettext("It is %(width)s pixels wide: blurred on most screens. Send one of at least %(needed)s.") % {
        "width": image.width, "needed": needed,
    }  # fmt: skip


def _place(image: Artwork) -> str:
    """Answer what is said of an image's words and place."""
    words = gettext("in %(language)s") % {"language": image.language} if image.language else gettext("without words")
    place = gettext("for %(country)s") % {"country": image.region}
    return f"{words} {place}" if image.region else words


def _within(image: Artwork) -> tuple[int, int]:
    """Answer the size in which an image is shown to be clicked on."""
    width, height = image.width or SHOWN_WITHIN[0], image.height or SHOWN_WITHIN[1]
    scale = min(SHOWN_WITHIN[0] / width, SHOWN_WITHIN[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _clicked(request: HttpRequest, image: Artwork) -> tuple[float, float] | None:
    """Answer where in the picture somebody clicked: browsers send the place with a button that is an image."""
    places = request.POST.get("point.x", ""), request.POST.get("point.y", "")
    if not all(place.isdecimal() and len(place) < 6 for place in places):
        return None
    width, height = _within(image)
    return min(1.0, int(places[0]) / width), min(1.0, int(places[1]) / height)
