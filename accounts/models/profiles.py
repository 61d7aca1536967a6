"""Profiles of a household, and the profile that each sign-in acts as."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from accounts import rules
from accounts.models.users import User
from core.ids import new_id


class ProfileQuerySet(models.QuerySet["Profile"]):
    """Questions about profiles."""

    def locked(self) -> Self:
        """Lock these profiles until the transaction ends; the account's lock comes first."""
        return self.order_by("pk").select_for_update(of=("self",))

    def of_account(self, account: User) -> Self:
        """The profiles of one household."""
        return self.filter(account=account)

    def adults(self) -> Self:
        """Profiles of those who answer for the account."""
        return self.filter(is_kids=False)


class Profile(models.Model):
    """One person of a household. What is personal (history, lists, taste) hangs on a profile's id."""

    class Subtitles(models.TextChoices):
        """When they are shown; see `rules.SUBTITLES`."""

        OFF = rules.OFF
        FORCED = rules.FORCED
        ON = rules.ON

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(User, on_delete=models.CASCADE, related_name="profiles")
    name = models.CharField(max_length=rules.NAME_LENGTH)
    avatar = models.SlugField(max_length=40, default="default", db_index=False)
    """The key of a picture that clients have; never an address."""
    language = models.CharField(max_length=12)
    """BCP 47: what this person reads and hears first."""
    is_kids = models.BooleanField(default=False)
    highest_age = models.PositiveSmallIntegerField(default=rules.HIGHEST_AGE)
    """The highest minimum age, in years, of what may be watched; 18 is everything."""
    allows_unrated = models.BooleanField(default=True)
    """Whether titles without a rating may be watched."""
    autoplay = models.BooleanField(default=True)
    """Whether the next episode starts by itself."""
    subtitles = models.CharField(max_length=6, choices=Subtitles, default=Subtitles.FORCED, db_default=rules.FORCED)
    subtitle_language = models.CharField(max_length=12, blank=True, default="", db_default="")
    """BCP 47; empty: the profile's language."""
    subtitles_for_deaf = models.BooleanField(default=False, db_default=False)
    """Whether sounds are to be described, where there are such subtitles."""
    blocks_version = models.CharField(max_length=16, blank=True, default="", db_default="", editable=False)
    """A word that changes with what apps above hide from this profile; empty: nothing. Answers are kept under it."""
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = ProfileQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two taps on "create" make one profile; also serves the list of an account's profiles.
            models.UniqueConstraint("account", Lower("name"), name="profile_name_unique_in_account"),
            # No profile without a name on the screen that asks who is watching.
            models.CheckConstraint(condition=~Q(name=""), name="profile_has_a_name"),
            models.CheckConstraint(
                condition=Q(highest_age__lte=rules.HIGHEST_AGE), name="profile_highest_age_is_an_age"
            ),
            # A kids profile never shows what is meant for grown-ups, whoever changes its limits.
            models.CheckConstraint(
                condition=Q(is_kids=False) | Q(highest_age__lte=rules.KIDS_HIGHEST_AGE, allows_unrated=False),
                name="profile_kids_limits",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SessionProfile(models.Model):
    """The profile that a sign-in acts as. No row: none chosen yet.

    It ends with its session and with its profile, so neither can outlive the other.
    """

    session = models.OneToOneField(
        "usersessions.UserSession", on_delete=models.CASCADE, primary_key=True, related_name="entered"
    )
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="sessions")
    entered_at = models.DateTimeField()
