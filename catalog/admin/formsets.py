"""Lines of a form that hang on a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unfold.forms import PaginationInlineFormSet


class PartFormSet(PaginationInlineFormSet):
    """Says what two lines have in common by the names that the page gives its fields: Django's own takes the code's."""

    def get_unique_error_message(self, unique_check: Sequence[str]) -> Any:
        """Name the fields that no two lines may have alike."""
        fields = self.empty_form.fields
        return super().get_unique_error_message(
            [str(fields[name].label) for name in unique_check if name in fields and name != self.fk.name]
        )
