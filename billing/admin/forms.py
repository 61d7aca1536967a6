"""Forms with which staff ask services for something."""

from __future__ import annotations

from typing import Any

from django.forms import ModelForm
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminRadioSelectWidget


class Choices(UnfoldAdminRadioSelectWidget):
    """Choices in whole sentences, in as many lines as they need."""

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Let a label be broken, which the admin's looks would cut off."""
        option = super().create_option(*args, **kwargs)
        option["label"] = format_html('<span class="whitespace-normal">{}</span>', option["label"])
        return option


class AskingForm(ModelForm):  # type: ignore[type-arg] # takes no parameter at runtime
    """What staff ask a service for."""

    refusal = ""
    """Why the service refuses it."""

    def clean(self) -> dict[str, Any]:
        """Say above what was typed why it is refused."""
        wanted: dict[str, Any] = super().clean() or self.cleaned_data
        if self.refusal:
            self.add_error(None, self.refusal)
        return wanted
