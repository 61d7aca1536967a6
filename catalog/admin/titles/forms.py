"""What an editor may change of a title itself."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from unfold.widgets import UnfoldAdminTextareaWidget

from catalog import rules
from catalog.models.titles import Kind
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
                    f"{line[:40]!r}: write {', '.join(ROLES[:-1])} or {ROLES[-1]}, a colon and the name.",
                    code="bad_company",
                )
            companies.append({"name": name, "role": role})
        return companies


class TitleForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """What an editor may change of a title itself."""

    companies = CompaniesField(
        required=False, help_text="One a line: production: Prana-Film. Or distribution, or broadcast."
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
            raise ValidationError(editing.EditedMeanwhile.title)
        for name in ("release", "end"):
            if values.get(f"{name}_date") and not values.get(f"{name}_precision"):
                values[f"{name}_precision"] = "day"
            if not values.get(f"{name}_date"):
                values[f"{name}_precision"] = ""
        kind, parent = values.get("kind"), values.get("parent")
        if kind:
            allowed = rules.PARENT_KINDS.get(kind, frozenset())
            if parent and parent.kind not in allowed:
                self.add_error("parent", f"A {kind} cannot belong to a {parent.kind}.")
            if not parent and kind not in {Kind.MOVIE, Kind.SERIES, Kind.SPECIAL}:
                self.add_error("parent", f"A {kind} belongs to a {' or '.join(sorted(allowed))}: choose one.")
            if kind in {Kind.SEASON, Kind.EPISODE} and values.get("number") is None:
                self.add_error("number", f"A {kind} needs its number.")
            if parent:
                # What the constraint on parts asks for; the service works it out the same way.
                self.instance.series = parent if parent.kind == Kind.SERIES else parent.series
        return values
