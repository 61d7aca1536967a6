"""The shapes of the answers, for the API's description, and of the parameters."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from catalog.models import Title
from catalog.models.people import Job
from catalog.models.titles import Kind

_KINDS = Kind.choices


class GenreSerializer(serializers.Serializer[Title]):
    slug = serializers.CharField()
    name = serializers.CharField()


class ImageSourceSerializer(serializers.Serializer[Title]):
    type = serializers.CharField(help_text="image/avif or image/webp.")
    srcset = serializers.CharField(help_text="As HTML's `srcset`: addresses with widths, smallest first.")


class ImageSerializer(serializers.Serializer[Title]):
    url = serializers.URLField(help_text="The largest size.")
    sources = ImageSourceSerializer(
        many=True, help_text="Best first, as in HTML's `picture`; empty while they are made."
    )
    placeholder = serializers.CharField(
        allow_blank=True, help_text="A tiny picture to show meanwhile, stretched: a data URI."
    )
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    focal_x = serializers.FloatField(help_text="What must stay in view when cropped: share of the width.")
    focal_y = serializers.FloatField(help_text="Share of the height.")
    language = serializers.CharField(help_text="Of words in the image; empty: none.", allow_blank=True)
    region = serializers.CharField(
        help_text="The country for which it is made, ISO 3166-1 alpha-2: the viewer's; empty: it is shown everywhere.",
        allow_blank=True,
    )


class ArtworkSerializer(serializers.Serializer[Title]):
    """The best image of each kind that there is."""

    poster = ImageSerializer(required=False)
    backdrop = ImageSerializer(required=False)
    logo = ImageSerializer(required=False)
    still = ImageSerializer(required=False)


class CardSerializer(serializers.Serializer[Title]):
    """What a list shows of a title."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(_KINDS)
    name = serializers.CharField(allow_blank=True)
    synopsis = serializers.CharField(allow_blank=True)
    year = serializers.IntegerField(allow_null=True)
    runtime_seconds = serializers.IntegerField(allow_null=True)
    number = serializers.IntegerField(allow_null=True, help_text="Place in its season or series.")
    genres = GenreSerializer(many=True)
    minimum_age = serializers.IntegerField(
        allow_null=True, help_text="In the viewer's country; null: nobody has rated it."
    )
    available_until = serializers.DateTimeField(
        allow_null=True, help_text="The first moment at which it is gone; null: no end is known."
    )
    artwork = ArtworkSerializer()


class ComingSerializer(CardSerializer):
    available_from = serializers.DateTimeField(help_text="The first moment at which it can be watched.")


class WithdrawnParameters(serializers.Serializer[Title]):
    since = serializers.DateTimeField(
        required=False,
        help_text="Only what was withdrawn then or later. Needed to begin with; a `cursor` does without.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse to list everything that ever went."""
        if "since" not in attrs:
            raise serializers.ValidationError({"since": [_("Say since when, or give a cursor.")]}, "required")
        return attrs


class WithdrawnSerializer(serializers.Serializer[Title]):
    """What others have kept of this title must go."""

    id = serializers.UUIDField()
    withdrawn_at = serializers.DateTimeField()
    merged_into = serializers.UUIDField(allow_null=True, help_text="The title that answers for it; null: none does.")


class EpisodeSerializer(CardSerializer):
    season = serializers.IntegerField(allow_null=True)


class ReferenceSerializer(serializers.Serializer[Title]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(_KINDS)
    name = serializers.CharField(allow_blank=True)


class SeasonSerializer(ReferenceSerializer):
    number = serializers.IntegerField()
    episode_count = serializers.IntegerField()


class RatingSerializer(serializers.Serializer[Title]):
    country = serializers.CharField()
    system = serializers.CharField()
    value = serializers.CharField()
    reasons = serializers.ListField(child=serializers.CharField())
    minimum_age = serializers.IntegerField(allow_null=True)


class PersonReferenceSerializer(serializers.Serializer[Title]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class RoleSerializer(serializers.Serializer[Title]):
    job = serializers.ChoiceField(Job.choices)
    job_display = serializers.CharField(allow_blank=True)
    character = serializers.CharField(allow_blank=True)


class CreditSerializer(RoleSerializer):
    person = PersonReferenceSerializer()
    guest = serializers.BooleanField()


class CompanySerializer(serializers.Serializer[Title]):
    name = serializers.CharField()
    role = serializers.CharField()


class AlternateNumberSerializer(serializers.Serializer[Title]):
    order = serializers.CharField()
    season = serializers.IntegerField(allow_null=True)
    number = serializers.IntegerField()


class TitlePageSerializer(CardSerializer):
    """All that a title's own page shows."""

    synopsis_short = serializers.CharField(allow_blank=True)
    synopsis_medium = serializers.CharField(allow_blank=True)
    synopsis_long = serializers.CharField(allow_blank=True)
    original_name = serializers.CharField(allow_blank=True)
    original_language = serializers.CharField(allow_blank=True)
    alternate_names = serializers.ListField(child=serializers.CharField())
    release_date = serializers.CharField(
        allow_null=True, help_text="2024, 2024-03 or 2024-03-07, as far as it is known."
    )
    end_date = serializers.CharField(allow_null=True)
    countries = serializers.ListField(child=serializers.CharField())
    made_for_kids = serializers.BooleanField()
    companies = CompanySerializer(many=True)
    tracks = serializers.ListField(child=serializers.DictField())
    keywords = serializers.ListField(child=serializers.CharField())
    ratings = RatingSerializer(many=True)
    credits = CreditSerializer(many=True)
    alternate_numbers = AlternateNumberSerializer(many=True)
    season_count = serializers.IntegerField(allow_null=True)
    series = ReferenceSerializer(allow_null=True)
    parent = ReferenceSerializer(allow_null=True)
    seasons = SeasonSerializer(many=True)
    extras = CardSerializer(many=True)


class ResultSerializer(EpisodeSerializer):
    """A title that was found; `season` and `series` are an episode's."""

    series = ReferenceSerializer(allow_null=True)


class SearchAnswerSerializer(serializers.Serializer[Title]):
    corrected = serializers.CharField(
        allow_null=True,
        help_text="What was searched instead, if the query had no match; null where that names only titles that the viewer does not see.",
    )
    results = ResultSerializer(many=True)


class SuggestionsSerializer(serializers.Serializer[Title]):
    results = ReferenceSerializer(many=True)


class AppearanceSerializer(serializers.Serializer[Title]):
    title = CardSerializer()
    credits = RoleSerializer(many=True)


class PersonSerializer(serializers.Serializer[Title]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    titles = AppearanceSerializer(many=True)


class SearchParameters(serializers.Serializer[Title]):
    q = serializers.CharField(max_length=200, help_text="What somebody typed; the last word may be unfinished.")
    limit = serializers.IntegerField(min_value=1, max_value=50, default=20)


class SuggestionsParameters(serializers.Serializer[Title]):
    q = serializers.CharField(max_length=200, help_text="What somebody has typed so far.")
    limit = serializers.IntegerField(min_value=1, max_value=20, default=8)


class EpisodesParameters(serializers.Serializer[Title]):
    season = serializers.IntegerField(min_value=0, max_value=100_000, required=False)
