"""Choosing one row of many by searching for it, in lines of a form that may be fifty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect
from django.db import models

from catalog.admin.formsets import PartFormSet


class FetchedSelect(AutocompleteSelect):
    """Knows the row that is chosen already: Django's own asks for it, line by line."""

    fetched: models.Model | None = None

    def optgroups(self, name: str, value: Sequence[str], attr: dict[str, Any] | None = None) -> Any:
        """Answer the one option that is chosen."""
        choices: Any = self.choices
        if self.fetched is None or [str(one) for one in value] != [str(self.fetched.pk)]:
            return super().optgroups(name, value, attr)
        options = [] if self.is_required else [self.create_option(name, "", "", False, 0)]
        label = choices.field.label_from_instance(self.fetched)
        return [(None, [*options, self.create_option(name, self.fetched.pk, label, True, 0)], 0)]


class FetchedFormSet(PartFormSet):
    """Tells each line's widgets what was fetched along with the row."""

    def add_fields(self, form: Any, index: int | None) -> None:
        """Complete a line."""
        super().add_fields(form, index)
        for name, field in form.fields.items():
            widget = getattr(field.widget, "widget", field.widget)
            if isinstance(widget, FetchedSelect) and form.instance.pk:
                widget.fetched = getattr(form.instance, name)
