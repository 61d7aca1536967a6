"""Whose word counts field by field, as a form: a number for each field in which a provider differs from its rule."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.functional import lazy
from django.utils.text import capfirst
from django.utils.translation import gettext
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from catalog.admin.words import gettext_lazy as _
from catalog.selectors import revisions
from catalog.services.providers import HIGHEST_PRECEDENCE, PRECEDED

PREFIX = "precedence_of_"
_FOLLOWING = {"release_date": "release_precision", "end_date": "end_precision"}
"""What would mean nothing from another provider than the one whose word counts for the first."""


def called(name: str) -> str:
    """Answer what staff call a field or a part of titles, images among them."""
    return gettext("artwork") if name == "artwork" else revisions.term(name)


class PrecedenceForm(forms.Form):
    """A number for each field; empty where the provider's precedence counts."""

    def fill_in_precedence(self, by_field: dict[str, int]) -> None:
        """Show what is stored."""
        for name in PRECEDENCES:
            self.initial[name] = by_field.get(name.removeprefix(PREFIX))

    def precedence_by_field(self) -> dict[str, int]:
        """Answer what is stored of what is filled in."""
        found: dict[str, int] = {}
        for name in PRECEDENCES:
            number, field = self.cleaned_data.get(name), name.removeprefix(PREFIX)
            if number is not None:
                found[field] = number
                if field in _FOLLOWING:
                    found[_FOLLOWING[field]] = number
        return found


def _field(name: str) -> forms.Field:
    label: Any = lazy(lambda: capfirst(called(name)), str)()
    return forms.IntegerField(
        required=False,
        min_value=0,
        max_value=HIGHEST_PRECEDENCE,
        widget=UnfoldAdminIntegerFieldWidget,
        label=label,
    )


# As many as there are fields, which the ingestion knows.
PrecedenceForm.base_fields.update({PREFIX + name: _field(name) for name in PRECEDED if name not in _FOLLOWING.values()})
PRECEDENCES = tuple(PrecedenceForm.base_fields)
"""The names of the fields."""

EXPLAINED = _(
    "Where several providers tell of a title, the one with the higher number is believed, field by field. Empty: its"
    " precedence above. What editors changed stays in any case."
)
