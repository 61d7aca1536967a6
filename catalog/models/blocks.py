"""What a household has blocked for one of its profiles.

These rows say what is hidden, never what is shown: `Title.objects` leaves it out wherever titles are shown. They hang on
the profile's id alone, so that they go along when it moves to another account.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from catalog.models.tags import Genre, Keyword, and_below
from catalog.models.titles import Title
from core.ids import new_id


class BlockQuerySet(models.QuerySet["ProfileBlock"]):
    """Questions about blocks."""

    def of_profile(self, profile_id: UUID) -> BlockQuerySet:
        """What is blocked for one profile."""
        return self.filter(profile=profile_id)


class ProfileBlock(models.Model):
    """A title with all its parts, or every title of a genre or keyword, that one profile never sees."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    profile = models.ForeignKey("accounts.Profile", models.CASCADE, related_name="+")
    title = models.ForeignKey(Title, models.CASCADE, null=True, related_name="+")
    genre = models.ForeignKey(Genre, models.CASCADE, null=True, related_name="+")
    keyword = models.ForeignKey(Keyword, models.CASCADE, null=True, related_name="+")
    created_at = models.DateTimeField(editable=False)

    objects = BlockQuerySet.as_manager()

    class Meta:
        constraints = [
            # A block of nothing hides nothing; one of two things would be lifted for both at once.
            models.CheckConstraint(
                name="profile_block_of_one_thing",
                condition=(
                    Q(title__isnull=False, genre__isnull=True, keyword__isnull=True)
                    | Q(title__isnull=True, genre__isnull=False, keyword__isnull=True)
                    | Q(title__isnull=True, genre__isnull=True, keyword__isnull=False)
                ),
            ),
            # Two taps on "block" make one block, which one tap lifts.
            *(
                models.UniqueConstraint(
                    fields=["profile", kind],
                    name=f"profile_block_{kind}_once",
                    condition=Q(**{f"{kind}__isnull": False}),
                )
                for kind in ("title", "genre", "keyword")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.title_id or self.genre_id or self.keyword_id}"

    @property
    def kind(self) -> str:
        return "title" if self.title_id else "genre" if self.genre_id else "keyword"


def titles_of(profile_id: UUID) -> models.QuerySet[Any, Any]:
    """Answer the ids of the titles that are blocked for a profile; of one that was merged, what answers for it."""
    blocks = ProfileBlock.objects.of_profile(profile_id).filter(title__isnull=False)
    return blocks.annotate(answering=Coalesce("title__merged_into", "title")).values("answering")


def genres_of(profile_id: UUID) -> RawSQL:
    """Answer the ids of the genres that are blocked for a profile, those below them in the tree included."""
    return and_below(
        "SELECT genre_id FROM catalog_profileblock WHERE profile_id = %s AND genre_id IS NOT NULL", [profile_id]
    )


def keywords_of(profile_id: UUID) -> models.QuerySet[Any, Any]:
    """Answer the ids of the keywords that are blocked for a profile."""
    return ProfileBlock.objects.of_profile(profile_id).filter(keyword__isnull=False).values("keyword")
