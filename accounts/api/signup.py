"""What sign-up asks beyond an address and a password."""

from __future__ import annotations

import pycountry
from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

COUNTRIES = sorted((country.alpha_2, country.name) for country in pycountry.countries)


class SignupForm(forms.Form):
    """Fields that allauth adds to its own; what is not a field here or there is ignored."""

    country = forms.ChoiceField(label=_("Country"), choices=COUNTRIES)

    def signup(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Allauth asks for this hook; the adapter has stored the country with the account."""
