"""Shapes of requests and answers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts import rules
from accounts.models import Profile, User
from core.api.serializers import InputSerializer, TextField
from core.geo import is_country


class AccountSerializer(serializers.ModelSerializer[User]):
    """An account as its owner sees it."""

    profile_id = serializers.SerializerMethodField(help_text="The profile this sign-in acts as.")

    class Meta:
        model = User
        fields = ["id", "email", "country", "language", "created_at", "profile_id"]

    def get_profile_id(self, _account: User) -> UUID | None:
        """Answer it from the context's `profile`."""
        profile: Profile | None = self.context["profile"]
        return profile.pk if profile else None


class AccountChangeSerializer(InputSerializer):
    """What the owner may change here."""

    country = serializers.CharField(required=False, max_length=2, help_text="ISO 3166-1 alpha-2.")
    language = serializers.ChoiceField(
        required=False, choices=settings.LANGUAGES, help_text="The language of our mail to you."
    )

    def validate_country(self, value: str) -> str:
        """Accept countries that exist."""
        if not is_country(value):
            raise serializers.ValidationError(_("Give a country as its ISO 3166-1 code, such as DE."))
        return value


class ProfileSerializer(serializers.ModelSerializer[Profile]):
    """A profile."""

    has_pin = serializers.SerializerMethodField(help_text="Whether whoever enters it is asked for its PIN.")

    def get_has_pin(self, profile: Profile) -> bool:
        """Answer it from the context's `guarded`, the profiles that have one."""
        guarded: frozenset[UUID] = self.context["guarded"]
        return profile.pk in guarded

    class Meta:
        model = Profile
        fields = [
            "id",
            "name",
            "avatar",
            "language",
            "is_kids",
            "highest_age",
            "allows_unrated",
            "autoplay",
            "subtitles",
            "subtitle_language",
            "subtitles_for_deaf",
            "has_pin",
            "created_at",
        ]


class ProfileChangeSerializer(InputSerializer):
    """What may be said of a profile; in a change, every member is optional."""

    name = serializers.CharField(max_length=200, trim_whitespace=True, help_text="1 to 40 characters as shown.")
    avatar = serializers.SlugField(required=False, max_length=40, help_text="The key of a picture that clients have.")
    language = serializers.CharField(required=False, max_length=12, help_text="BCP 47; the account's when absent.")
    is_kids = serializers.BooleanField(required=False)
    highest_age = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=rules.HIGHEST_AGE,
        help_text=f"Highest minimum age, in years, of what may be watched; {rules.HIGHEST_AGE} is everything, "
        f"and {rules.KIDS_HIGHEST_AGE} the most for kids.",
    )
    allows_unrated = serializers.BooleanField(
        required=False, help_text="Whether titles without a rating may be watched."
    )
    autoplay = serializers.BooleanField(required=False)
    subtitles = serializers.ChoiceField(
        required=False, choices=rules.SUBTITLES, help_text="Never, only what is foreign in what is heard, or always."
    )
    subtitle_language = TextField(
        required=False, max_length=12, allow_blank=True, help_text="BCP 47; empty: the profile's language."
    )
    subtitles_for_deaf = serializers.BooleanField(required=False, help_text="Whether sounds are described.")
    master_pin = TextField(
        required=False, max_length=20, help_text="Where the household has one, to add a profile or change its limits."
    )

    def validate_subtitle_language(self, value: str) -> str:
        """Accept languages that exist, and none."""
        return self.validate_language(value) if value else ""

    def validate_name(self, value: str) -> str:
        """Accept what can be shown as a name."""
        name = rules.clean_name(value)
        if name is None:
            raise serializers.ValidationError(
                _("Give a name of 1 to 40 visible characters, without control characters.")
            )
        return name

    def validate_language(self, value: str) -> str:
        """Accept languages that exist."""
        tag = rules.language_tag(value)
        if tag is None:
            raise serializers.ValidationError(_("Give a language as a BCP 47 tag, such as en or pt-BR."))
        return tag


class EnterSerializer(InputSerializer):
    """What opens a profile."""

    pin = TextField(required=False, max_length=20, help_text="The profile's, where it has one.")
    master_pin = TextField(
        required=False, max_length=20, help_text="The household's, where it has one, to leave a kids profile."
    )


class PinSerializer(InputSerializer):
    """A new PIN."""

    pin = TextField(max_length=20, help_text="4 to 8 digits; no row, no repetition.")


class MasterPinSerializer(serializers.Serializer[Any]):
    """Whether there is one."""

    is_set = serializers.BooleanField()
