"""What sign-up asks beyond an address and a password."""

from __future__ import annotations

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.geo import is_country


class SignupForm(forms.Form):
    """Fields that allauth adds to its own; what is not a field here or there is ignored."""

    country = forms.CharField(
        label=_("Country"), max_length=2, help_text=_("Where the household lives, as its ISO 3166-1 code, such as DE.")
    )

    def clean_country(self) -> str:
        """Accept countries that exist."""
        country: str = self.cleaned_data["country"]
        if not is_country(country):
            raise ValidationError(_("Give a country as its ISO 3166-1 code, such as DE."), "unknown_country")
        return country

    def signup(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Allauth asks for this hook; the adapter has stored the country with the account."""
