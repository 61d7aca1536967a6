"""Titles and what describes them.

A title is anything with a name that a viewer may find: a film, a series and its parts, a special, a
trailer, an extra. What is said in a language lies in `TitleText`; who may see it, where and when,
lies in `AvailabilityWindow` and in the title's state. Ingestion writes these tables in sets, by
COPY: a column with a Python-side default must be given a value there too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Upper
from django.utils.translation import gettext_lazy as _

from catalog import rules
from catalog.models.places import refuse_other_than_languages
from core.ids import new_id


class Kind(models.TextChoices):
    """What a title is (MovieLabs WorkType, in the words of the trade)."""

    MOVIE = "movie", _("Movie")
    SERIES = "series", _("Series")
    SEASON = "season", _("Season")
    EPISODE = "episode", _("Episode")
    SPECIAL = "special", _("Special")
    TRAILER = "trailer", _("Trailer")
    EXTRA = "extra", _("Extra")


class State(models.TextChoices):
    DRAFT = "draft", _("Draft")
    PUBLISHED = "published", _("Published")
    WITHDRAWN = "withdrawn", _("Withdrawn")


WHOLES = ("parent_id", "parent__parent_id", "series_id")
"""What a part belongs to, nearest first: an episode's trailer to the episode, its season and its series."""


class Precision(models.TextChoices):
    """How much of a date is known; the rest of it is the first day of the month or year."""

    YEAR = "year", _("Year")
    MONTH = "month", _("Month")
    DAY = "day", _("Day")


class TitleQuerySet(models.QuerySet["Title"]):
    def locked(self) -> Self:
        """Lock the rows until the transaction ends, in the one order that everybody takes."""
        return self.order_by("pk").select_for_update(of=("self",))

    def published(self) -> Self:
        return self.filter(state=State.PUBLISHED)

    def standing_alone(self) -> Self:
        """Films, series, and specials of no series: what lists and searches show."""
        return self.filter(parent__isnull=True)

    def browsable_by(self, viewer: rules.Viewer, now: datetime) -> Self:
        """What lists and searches may show this viewer at `now`."""
        titles = self.published().standing_alone().offered_in(viewer.country, now, standing_alone=True)
        return titles.for_audience(viewer, standing_alone=True).without_blocked(viewer, standing_alone=True)

    def visible_to(self, viewer: rules.Viewer, now: datetime, *, searched: bool = False) -> Self:
        """What this viewer may see at `now`, parts of series included; of what is searched alone, sooner.

        A part without ratings has those of what it belongs to, and is public only with all of it: the trailer of an
        episode with the episode, its season and its series.
        """
        public = self.published().filter(
            *(
                Q(**{f"{whole}__isnull": True}) | Q(**{f"{whole.removesuffix('_id')}__state": State.PUBLISHED})
                for whole in WHOLES
            )
        )
        offered = public.offered_in(viewer.country, now, searched=searched)
        return offered.for_audience(viewer).without_blocked(viewer)

    def offered_in(self, country: str, now: datetime, *, standing_alone: bool = False, searched: bool = False) -> Self:
        """Leave out what subscribers of `country` may not watch at `now` by any licence: see `offering`.

        Parts are asked about with what they belong to, unless all that is asked for stands alone; no seasons, trailers and
        extras, where all that is asked for is searched.
        """
        from catalog.models.offering import IsOffered

        return self.filter(IsOffered(country, now, standing_alone=standing_alone, searched=searched))

    def for_audience(self, viewer: rules.Viewer, *, standing_alone: bool = False) -> Self:
        """Leave out what the audience may not watch: `maturity.viewing_age` and `Audience.refusal`, as a query.

        Parts are asked about with what they belong to, unless all that is asked for stands alone.
        """
        audience = viewer.audience
        if audience.sees_everything:
            return self
        suitable = Q(viewing_age__lte=audience.highest_age) if audience.is_limited else Q(viewing_age__isnull=False)
        if audience.allows_unrated:
            suitable |= Q(viewing_age__isnull=True)
        return self.with_viewing_age(viewer.country, standing_alone=standing_alone).filter(suitable)

    def with_viewing_age(self, country: str, *, standing_alone: bool = False) -> Self:
        """Add `viewing_age`, from which `country` lets people watch each: `maturity.viewing_age`, as a query."""
        ages = [_age_at(level, country) for level in ("pk", *(() if standing_alone else WHOLES))]
        return self.annotate(viewing_age=Coalesce(*ages) if len(ages) > 1 else ages[0])

    def without_blocked(self, viewer: rules.Viewer, *, standing_alone: bool = False) -> Self:
        """Leave out what is blocked for the viewer's profile: titles with their parts, whatever has a blocked genre or keyword.

        Parts are asked about with what they belong to, unless all that is asked for stands alone.
        """
        if viewer.blocks is None:
            return self
        from catalog.models import blocks
        from catalog.models.tags import TitleGenre, TitleKeyword

        profile_id = viewer.blocks.profile_id
        titles, genres, keywords = (of(profile_id) for of in (blocks.titles_of, blocks.genres_of, blocks.keywords_of))
        found = self
        for level in ("pk", *(() if standing_alone else WHOLES)):
            found = found.filter(
                ~Q(**{f"{level}__in": titles}),
                ~Exists(TitleGenre.objects.filter(title=OuterRef(level), genre__in=genres)),
                ~Exists(TitleKeyword.objects.filter(title=OuterRef(level), keyword__in=keywords)),
            )
        return found


def _age_at(level: str, country: str) -> Subquery:
    """Answer the age that the ratings of a title, or of what it belongs to, come to: the country's own before others."""
    from catalog.models.ratings import ContentRating

    rated = ContentRating.objects.filter(title=OuterRef(level), minimum_age__isnull=False)
    own = Case(When(country=country, then=0), default=1)
    return Subquery(rated.order_by(own, "-minimum_age").values("minimum_age")[:1])


class Title(models.Model):
    """A work, or a part of one.

    `parent` is what it belongs to: a season's series, an episode's season (or series), what a
    trailer promotes. `series` is the series at the top of that chain, kept on every part so that
    one query reads a whole series. `revision` grows by one with every change of what an answer
    about this title contains, a series' also with its parts'.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    series = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="parts")
    number = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("Place in the order of release, in its parent.")
    )
    original_title = models.CharField(max_length=500, blank=True)
    original_language = models.CharField(max_length=20, blank=True, help_text=_("BCP 47, such as pt-BR."))
    release_date = models.DateField(null=True, blank=True)
    release_precision = models.CharField(max_length=5, choices=Precision, blank=True)
    end_date = models.DateField(null=True, blank=True, help_text=_("Last first-run episode of what has ended."))
    end_precision = models.CharField(max_length=5, choices=Precision, blank=True)
    runtime_seconds = models.PositiveIntegerField(null=True, blank=True)
    season_count = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("As the provider counts, where it does not list the seasons.")
    )
    countries = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        help_text=_("Of production, ISO 3166-1, leading first."),
    )
    made_for_kids = models.BooleanField(default=False)
    companies = models.JSONField(
        default=list, blank=True, help_text='[{"name": ..., "role": "production" | "distribution" | "broadcast"}]'
    )
    tracks = models.JSONField(
        default=list, blank=True, help_text=_("Sound and subtitles that exist, as the feed format says.")
    )
    editorial_weight = models.SmallIntegerField(
        default=0,
        db_default=0,
        help_text=_(
            "From -10 to 10: comes earlier or later among equal matches of a search. 1 outdoes any date of release."
        ),
    )
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)
    # By a trigger: who reads what was withdrawn can tell which transactions may yet add to it, and which cannot.
    withdrawn_in = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The number of the transaction that withdrew it; 0: before numbers were kept.",
    )
    merged_into = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_index=False,
        help_text=_("What answers for it."),
    )
    revision = models.PositiveIntegerField(default=1, editable=False)
    edited = ArrayField(
        models.CharField(max_length=30),
        default=list,
        blank=True,
        editable=False,
        help_text=_("What editors have changed, by field or part; later deliveries leave it alone."),
    )
    provenance = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        editable=False,
        help_text='Who said what, {"texts": "provider/format"}, where several tell of it; empty: the only one who does.',
    )
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = TitleQuerySet.as_manager()

    class Meta:
        permissions = [("publish_title", "Can publish and withdraw titles")]
        constraints = [
            # A part without its whole, or a film inside a series, would hang in no page or in two.
            models.CheckConstraint(
                name="title_parent_by_kind",
                condition=(
                    Q(kind__in=["movie", "series"], parent__isnull=True, series__isnull=True)
                    | Q(kind__in=["season", "episode"], parent__isnull=False, series__isnull=False)
                    | Q(kind="special")
                    | Q(kind__in=["trailer", "extra"], parent__isnull=False)
                ),
            ),
            # A title that contains itself sends every walk up the tree round for ever.
            models.CheckConstraint(
                name="title_not_its_own_parent",
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")),
            ),
            # Episodes and seasons without a number have no place in their order.
            models.CheckConstraint(
                name="title_number_by_kind",
                condition=~Q(kind__in=["season", "episode"]) | Q(number__isnull=False),
            ),
            # A date of unknown precision would be shown as a day that nobody stated.
            models.CheckConstraint(
                name="title_release_date_with_precision",
                condition=Q(release_date__isnull=True, release_precision="")
                | Q(release_date__isnull=False, release_precision__in=["year", "month", "day"]),
            ),
            models.CheckConstraint(
                name="title_end_date_with_precision",
                condition=Q(end_date__isnull=True, end_precision="")
                | Q(end_date__isnull=False, end_precision__in=["year", "month", "day"]),
            ),
            # A weight beyond all bounds would put one title before everything for ever.
            models.CheckConstraint(
                name="title_editorial_weight_bounded", condition=Q(editorial_weight__gte=-10, editorial_weight__lte=10)
            ),
            # "Published, nobody knows since when" and "a draft that was withdrawn" are lies.
            models.CheckConstraint(
                name="title_state_with_instant",
                condition=(
                    Q(state="draft", published_at__isnull=True, withdrawn_at__isnull=True)
                    | Q(state="published", published_at__isnull=False, withdrawn_at__isnull=True)
                    | Q(state="withdrawn", withdrawn_at__isnull=False)
                ),
            ),
        ]
        indexes = [
            # Lists, newest first: all of them, and by kind.
            models.Index(F("id").desc(), name="title_browse", condition=Q(state="published", parent__isnull=True)),
            models.Index(
                "kind", F("id").desc(), name="title_browse_kind", condition=Q(state="published", parent__isnull=True)
            ),
            # And by original language, however few are in it.
            models.Index(
                Upper("original_language"),
                F("id").desc(),
                name="title_browse_language",
                condition=Q(state="published", parent__isnull=True),
            ),
            # The admin's list by kind, also of a kind that few have.
            models.Index("kind", F("id").desc(), name="title_kind"),
            # Lists by year, and the admin's date filters.
            models.Index("release_date", name="title_release_date"),
            # Lists by country of production.
            GinIndex("countries", name="title_countries"),
            # What answers for others: few do.
            models.Index("merged_into", name="title_merged", condition=Q(merged_into__isnull=False)),
            # The admin's list of drafts and withdrawn titles.
            models.Index("state", F("id").desc(), name="title_state"),
            # What went since an instant, and after what an app was told of, asked for again and again by every app.
            models.Index(fields=["withdrawn_at", "id"], name="title_withdrawn", condition=Q(state="withdrawn")),
            models.Index(fields=["withdrawn_in", "id"], name="title_withdrawn_in", condition=Q(state="withdrawn")),
        ]

    def __str__(self) -> str:
        # By a name that has been fetched already, in the languages that staff read: no query is made for it.
        texts = getattr(self, "_prefetched_objects_cache", {}).get("texts", ())
        names = {text.language: text.name for text in texts if text.name}
        best = rules.best_language(names, ["en", self.original_language])
        fetched = names[best] if best else ""
        return fetched or self.original_title or f"{self.get_kind_display()} {self.number or self.pk}"

    def clean(self) -> None:
        """Refuse what is no language; say in words, beside the field, what a constraint refuses."""
        refuse_other_than_languages("original_language", self.original_language)
        if not -10 <= self.editorial_weight <= 10:
            raise ValidationError({"editorial_weight": _("Choose a weight from -10 to 10.")})

    @property
    def release_year(self) -> int | None:
        return self.release_date.year if self.release_date else None
