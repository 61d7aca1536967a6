"""What sign-up asks beyond an address and a password."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.password_validation import UserAttributeSimilarityValidator, validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.geo import is_country

# Allauth asks the other validators itself, without the address.
_SIMILARITY = [UserAttributeSimilarityValidator(user_attributes=["email"])]


class SignupForm(forms.Form):
    """Fields that allauth adds to its own; what is not a field here or there is ignored."""

    # The label describes it in sign-in's OpenAPI, which takes no text that is yet to be translated.
    country = forms.CharField(label="Where the household lives: an ISO 3166-1 code, such as DE", max_length=2)

    def clean_country(self) -> str:
        """Accept countries that exist."""
        country: str = self.cleaned_data["country"]
        if not is_country(country):
            raise ValidationError(_("Give a country as its ISO 3166-1 code, such as DE."), "unknown_country")
        return country

    def clean(self) -> dict[str, Any]:
        """Refuse a password that is all but the address."""
        data = super().clean() or {}
        if "password" in data and "email" in data:
            try:
                validate_password(data["password"], User(email=data["email"]), _SIMILARITY)
            except ValidationError as error:
                self.add_error("password", error)
        return data

    def signup(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Allauth asks for this hook; the adapter has stored the country with the account."""
