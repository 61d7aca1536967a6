"""What sign-up asks beyond an address and a password."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from allauth.core import context
from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.password_validation import UserAttributeSimilarityValidator, validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import bot_checks, selectors
from accounts.models import User
from accounts.origins import origin_of
from accounts.services import consents
from core import geo
from core.clock import now
from core.geo import is_country

# Allauth asks the other validators itself, without the address.
_SIMILARITY = [UserAttributeSimilarityValidator(user_attributes=["email"])]


class SignupForm(forms.Form):
    """Fields that allauth adds to its own; what is not a field here or there is ignored."""

    # The label describes it in sign-in's OpenAPI, which takes no text that is yet to be translated.
    country = forms.CharField(label="Where the household lives: an ISO 3166-1 code, such as DE", max_length=2)

    consents = forms.CharField(
        label="Ids of the policies that the person agrees to, separated by spaces",
        max_length=400,
        required=False,
    )
    bot_token = forms.CharField(
        label="What the operator's bot check gave the client, if there is one", max_length=4096, required=False
    )

    def clean_country(self) -> str:
        """Accept countries that exist."""
        country: str = self.cleaned_data["country"]
        if not is_country(country):
            raise ValidationError(_("Give a country as its ISO 3166-1 code, such as DE."), "unknown_country")
        return country

    def clean_consents(self) -> list[UUID]:
        """Accept ids of documents that hold now, if what is required is among them."""
        current = {str(document.pk): document for document in selectors.current_documents(now=now())}
        said = self.cleaned_data["consents"].split()
        if not current.keys() >= set(said):
            raise ValidationError(_("There is no such document, or another version holds by now."), "unknown_document")
        lacking = [document for key, document in current.items() if document.is_required and key not in said]
        if lacking:
            raise ValidationError(_("Agree to the terms and to how we handle your data."), "consent_required")
        return [UUID(key) for key in said]

    def clean_bot_token(self) -> str:
        """Accept who the operator's check takes for a person."""
        token: str = self.cleaned_data["bot_token"]
        check = bot_checks.configured()
        address = geo.client_address(context.request)
        if check is not None and not check.passes(token=token, address=str(address) if address else None):
            raise ValidationError(_("Show that you are a person, and try again."), "bot_check_failed")
        return token

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
        """Keep what the new account agreed to; the adapter has stored its country."""
        account = cast(User, user)
        consents.give(
            account_id=account.pk,
            documents=self.cleaned_data["consents"],
            by=account,
            now=now(),
            origin=origin_of(request),
        )
