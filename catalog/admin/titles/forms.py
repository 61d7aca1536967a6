"""What an editor may change of a title itself."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.utils.functional import Promise
from django.utils.translation import gettext
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from catalog import rules, tracks
from catalog.admin.words import gettext_lazy as _
from catalog.models.titles import Kind
from catalog.refusals import in_words
from catalog.selectors import revisions as versions
from catalog.services import editing

ROLES = ("production", "distribution", "broadcast")


class CompaniesField(forms.Field):
    """Companies, one a line, as in `production: Prana-Film`."""

    widget = UnfoldAdminTextareaWidget({"rows": 2})

    def prepare_value(self, value: Any) -> Any:
        """Answer the lines."""
        if not isinstance(value, list):
            return value
        return "\n".join(f"{company.get('role', ROLES[0])}: {company.get('name', '')}" for company in value)

    def to_python(self, value: Any) -> list[dict[str, str]]:
        """Read the lines."""
        companies = []
        for line in filter(None, map(str.strip, (value or "").splitlines())):
            role, colon, name = (part.strip() for part in line.partition(":"))
            if not colon or not name or len(name) > 200 or role not in ROLES:
                raise ValidationError(
                    gettext("“%(line)s”: write production, distribution or broadcast, a colon and the name.")
                    % {"line": line[:40]},
                    code="bad_company",
                )
            companies.append({"name": name, "role": role})
        return companies


class TracksWidget(forms.Widget):
    """Tracks in a table, a line each, and some lines to fill in."""

    template_name = "catalog/admin/tracks.html"
    spare = 3

    def __init__(self, attrs: Any = None) -> None:
        """Make what the cells of a line are filled in with."""
        super().__init__(attrs)
        narrow = {"style": "min-width:7rem;width:7rem"}
        self.cells: dict[str, tuple[str | Promise, forms.Widget]] = {
            "type": (_("Type"), UnfoldAdminSelectWidget(narrow, [*tracks.TYPES.items()])),
            "language": (_("Language"), UnfoldAdminTextInputWidget(narrow)),
            "channels": (_("Channels"), UnfoldAdminSelectWidget(narrow, [("", "-"), *((name, name) for name in tracks.CHANNELS)])),
            **{name: (words, UnfoldBooleanWidget()) for name, (words, _only) in tracks.FLAGS.items()},
        }  # fmt: skip

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Draw the lines."""
        context: dict[str, Any] = super().get_context(name, None, attrs)
        lines = [*(value or ()), *({} for _ in range(self.spare))]
        context["widget"] |= {
            "headings": [heading for heading, _widget in self.cells.values()],
            "rows": [
                [
                    widget.render(f"{name}-{number}-{cell}", line.get(cell), {"aria-label": heading})
                    for cell, (heading, widget) in self.cells.items()
                ]
                for number, line in enumerate(lines)
            ],
        }
        return context

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Answer the lines that name a language; None where the table was not sent at all."""
        sent = data.get(f"{name}-rows", "")
        if not sent.isdecimal():
            return None
        lines = [
            {
                cell: widget.value_from_datadict(data, files, f"{name}-{number}-{cell}")
                for cell, (_heading, widget) in self.cells.items()
            }
            for number in range(min(int(sent), tracks.MOST + self.spare))
        ]
        return [line for line in lines if (line["language"] or "").strip()]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Say whether the table was not sent."""
        return f"{name}-rows" not in data


class TracksField(forms.Field):
    """Sound and subtitles that exist of a title."""

    widget = TracksWidget

    def to_python(self, value: Any) -> list[dict[str, Any]]:
        """Read the lines."""
        try:
            return tracks.read_tracks(value or ())
        except tracks.TrackInvalid as error:
            raise ValidationError(in_words(str(error)), code="bad_track") from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what the lines say, not how they were sent."""
        if data is None:
            return False
        try:
            return tracks.read_tracks(data) != (initial or [])
        except tracks.TrackInvalid:
            return True


class TitleForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """What an editor may change of a title itself."""

    companies = CompaniesField(
        required=False,
        label=_("Companies"),
        help_text=_("One a line: production: Prana-Film. Or distribution, or broadcast."),
    )
    tracks = TracksField(
        required=False,
        label=_("Sound and subtitles"),
        help_text=_(
            "What exists of the title, with or without a film here: gaps and viewers' pages are made of it. A line without a language is left out; save to get more lines."
        ),
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    """The version that the editor has before them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Remember the version that is shown."""
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["seen"] = versions.fingerprint(versions.snapshot(self.instance.pk))

    def clean(self) -> dict[str, Any]:
        """Complete what follows from something else, and refuse a whole of the wrong kind."""
        values = super().clean() or {}
        if values.get("seen") and values["seen"] != self.initial.get("seen"):
            raise ValidationError(gettext(editing.EditedMeanwhile.title))
        for name in ("release", "end"):
            if values.get(f"{name}_date") and not values.get(f"{name}_precision"):
                values[f"{name}_precision"] = "day"
            if not values.get(f"{name}_date"):
                values[f"{name}_precision"] = ""
        kind, parent = values.get("kind"), values.get("parent")
        if kind:
            allowed = rules.PARENT_KINDS.get(kind, frozenset())
            wholes = ", ".join(sorted(str(Kind(whole).label) for whole in allowed)) or gettext("nothing")
            if parent and parent.kind not in allowed:
                self.add_error(
                    "parent", gettext("It cannot be a part of this: it belongs to %(wholes)s.") % {"wholes": wholes}
                )
            if not parent and kind not in {Kind.MOVIE, Kind.SERIES, Kind.SPECIAL}:
                self.add_error("parent", gettext("Choose what it is a part of: %(wholes)s.") % {"wholes": wholes})
            if parent:
                # What the constraint on parts asks for; the service works it out the same way.
                self.instance.series = parent if parent.kind == Kind.SERIES else parent.series
        if (kind or self.instance.kind) in {Kind.SEASON, Kind.EPISODE} and values.get("number") is None:
            self.add_error("number", gettext("Give its number: its place in the order of release."))
        return values
