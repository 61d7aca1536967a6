"""Where and when a title may be watched, and why it may not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext

from catalog import rules, terms
from catalog.models import AvailabilityWindow, Title
from catalog.models.licences import AvailabilityWindowQuerySet
from catalog.models.offering import HasLicence, IsOffered
from catalog.models.titles import State, TitleQuerySet
from catalog.selectors import ages, parts

SOON = timedelta(days=30)


@dataclass(frozen=True)
class Reason:
    """Why a viewer does not see a title. `code` is stable; `title_id` is the title, or the whole, that it lies with."""

    code: str
    message: str
    title_id: UUID
    at: datetime | None = None
    """When it changes by itself, where that is known."""


def explain(title_id: UUID, viewer: rules.Viewer, now: datetime) -> list[Reason]:
    """Answer every reason why a viewer may not see a title now; none means that it is shown.

    What is asked here is what `Title.objects.visible_to` asks; a test holds the two together.
    Raises Title.DoesNotExist.
    """
    title = Title.objects.select_related("parent__parent", "series").get(pk=title_id)
    line = line_of(title)
    if title.merged_into_id is not None:
        return [
            Reason(
                "merged", gettext("It was merged into another title, which answers under its id."), title.merged_into_id
            )
        ]
    reasons = [
        Reason(
            level.state,
            gettext("%(what)s is not public: %(state)s.")
            % {"what": _said(level, title), "state": level.get_state_display()},
            level.pk,
        )
        for level in line
        if level.state != State.PUBLISHED
    ]
    reasons += _licence_reasons(title, viewer.country, now)
    reasons += _age_reasons(line, viewer)
    reasons += _block_reasons(line, viewer)
    return reasons


def open_windows(title_id: UUID, country: str, now: datetime) -> list[AvailabilityWindow]:
    """Answer the licences by which a title may be watched in a country now, its own or those of what it belongs to.

    Each says in which languages and formats. Raises Title.DoesNotExist.
    """
    title = Title.objects.select_related("parent__parent", "series").get(pk=title_id)
    parts.fetch([title])
    return [window for window in parts.licences_of(title) if rules.is_open(window, country, now)]


@dataclass(frozen=True)
class Offer:
    """How a title may be played in a country now: by any of its open licences, each with its own formats and languages."""

    licences: tuple[AvailabilityWindow, ...]

    def allows(self, *, format: str = "", audio: str = "", subtitle: str = "") -> bool:  # noqa: A002 - what it is called everywhere
        """Say whether one licence allows all of this at once, as `catalog.terms.allows` reads it; what is empty is not asked."""
        return any(terms.allows(licence, format=format, audio=audio, subtitle=subtitle) for licence in self.licences)


def offer(title_id: UUID, country: str, now: datetime) -> Offer:
    """Answer in which formats and languages a title may be played in a country now: in none where no licence is open.

    `Playable.formats` has the names of formats that a title's film comes in. Raises Title.DoesNotExist.
    """
    return Offer(tuple(open_windows(title_id, country, now)))


def next_boundary(country: str, now: datetime) -> datetime:
    """Answer an instant after `now` until which no licence begins or ends in a country; at the latest its next midnight.

    What is licensed elsewhere alone counts too: to look for the next instant of one country would cost more than it saves.
    """
    windows = AvailabilityWindow.objects.all()
    starts = windows.filter(starts_at__gt=now).order_by("starts_at").values_list("starts_at", flat=True)[:1]
    ends = windows.filter(ends_at__gt=now).order_by("ends_at").values_list("ends_at", flat=True)[:1]
    return min([rules.next_midnight(country, now), *(at for at in starts.union(ends, all=True) if at)])


def opening_soon(country: str, now: datetime, *, within: timedelta = SOON) -> TitleQuerySet:
    """Answer what may be shown as coming soon: announced, public, and open within `within`, but not yet."""
    windows = AvailabilityWindow.objects.covering(country).filter(
        Q(announce_at__lte=now) | Q(announce_on__lte=rules.local_dates(country, now)[0])
    )
    later = now + within
    opening = windows.filter(Q(starts_at__gt=now, starts_at__lte=later) | _days("starts_on", country, now, later))
    return _touched_by(opening).filter(
        HasLicence(opening, standing_alone=True), ~Q(IsOffered(country, now, standing_alone=True))
    )


def leaving_soon(country: str, now: datetime, *, within: timedelta = SOON) -> TitleQuerySet:
    """Answer what can be watched now and, by all its licences together, no more after `within`."""
    later = now + within
    # The few licences that end until then first: of a million titles most are open both now and later.
    ending = AvailabilityWindow.objects.open_in(country, now).filter(
        Q(ends_at__lte=later) | Q(ends_on__lte=rules.local_dates(country, later)[1])
    )
    # Another licence may begin on the day that this one ends: what is open then is not leaving.
    return _touched_by(ending).filter(
        IsOffered(country, now, standing_alone=True), ~Q(IsOffered(country, later, standing_alone=True))
    )


def _touched_by(windows: AvailabilityWindowQuerySet) -> TitleQuerySet:
    """Answer the public titles that stand alone for which licences may make a difference: their own, or their parts'."""
    series = windows.filter(series_id__isnull=False).values("series_id")
    return Title.objects.published().standing_alone().filter(pk__in=windows.values("title_id").union(series))


def tombstones(end: int, since: datetime | None = None) -> TitleQuerySet:
    """Answer the titles withdrawn, since an instant or ever, by the order of transactions: what others have kept of them must go.

    `end` was answered by `core.transactions.first_open` before. What was withdrawn beside a transaction that began to write earlier
    and has not ended is told once that has: so nothing ever comes before what was told.
    """
    gone = Title.objects.filter(state=State.WITHDRAWN, withdrawn_in__lt=end)
    return (gone if since is None else gone.filter(withdrawn_at__gte=since)).order_by("withdrawn_in", "pk")


def line_of(title: Title) -> list[Title]:
    """Answer a title and what it belongs to, nearest first."""
    parent = title.parent
    wholes = (parent, parent.parent if parent else None, title.series)
    return list({level.pk: level for level in (title, *wholes) if level}.values())


def _said(level: Title, title: Title) -> str:
    if level.pk == title.pk:
        return gettext("It")
    return gettext("What it belongs to (%(kind)s)") % {"kind": level.get_kind_display()}


def _licence_reasons(title: Title, country: str, now: datetime) -> list[Reason]:
    parts.fetch([title])
    windows = parts.licences_of(title)
    if any(rules.is_open(window, country, now) for window in windows):
        return []
    if not windows:
        return [Reason("no_licence", gettext("Nobody has licensed it."), title.pk)]
    nearest = next((level for level in parts.line_of(title) if level.windows.all()), title)
    return _window_reasons(windows, nearest.pk, country, now)


def _window_reasons(windows: list[AvailabilityWindow], title_id: UUID, country: str, now: datetime) -> list[Reason]:
    """Answer for each kind of obstacle the one that is nearest to being none."""
    here = [
        window for window in windows if not window.territories or (country in window.territories) != window.excluded
    ]
    subscribed = [window for window in here if window.license_type in rules.SUBSCRIPTION_LICENCES]
    if not here:
        places = ", ".join(sorted({code for window in windows if not window.excluded for code in window.territories}))
        said = (
            gettext("No licence covers %(country)s, only %(places)s.")
            if places
            else gettext("No licence covers %(country)s.")
        )
        return [Reason("territory", said % {"country": country, "places": places}, title_id)]
    if not subscribed:
        types = ", ".join(sorted({window.license_type for window in here}))
        said = gettext("In %(country)s it is licensed for %(types)s alone, not for subscription.")
        return [Reason("licence_type", said % {"country": country, "types": types}, title_id)]
    starts = [start for window in subscribed if (start := rules.start_of(window, country)) and start > now]
    if starts:
        said = gettext("Its licence in %(country)s begins on %(at)s UTC.")
        at = f"{min(starts).astimezone(UTC):%Y-%m-%d %H:%M}"
        return [Reason("not_yet", said % {"country": country, "at": at}, title_id, min(starts))]
    ends = [end for window in subscribed if (end := rules.end_of(window, country))]
    said = gettext("Its licence in %(country)s ended on %(at)s UTC.")
    at = f"{max(ends).astimezone(UTC):%Y-%m-%d %H:%M}"
    return [Reason("expired", said % {"country": country, "at": at}, title_id)]


def _age_reasons(line: list[Title], viewer: rules.Viewer) -> list[Reason]:
    rating = ages.deciding(line, viewer.country)
    decided, age = (rating.title_id, rating.minimum_age) if rating else (line[0].pk, None)
    match viewer.audience.refusal(age):
        case "age":
            most = viewer.audience.highest_age
            said = gettext("It is for people of %(age)s years and more (%(rating)s); this profile sees up to %(most)s.")
            return [Reason("age", said % {"age": age, "rating": rating, "most": most}, decided)]
        case "unrated":
            return [
                Reason("unrated", gettext("Nobody has rated it, and this profile sees rated titles alone."), decided)
            ]
    return []


def _block_reasons(line: list[Title], viewer: rules.Viewer) -> list[Reason]:
    if viewer.blocks is None:
        return []
    levels = Title.objects.filter(pk__in=[level.pk for level in line])
    seen = set(levels.without_blocked(viewer, standing_alone=True).values_list("pk", flat=True))
    return [
        Reason("blocked", gettext("%(what)s is blocked for this profile.") % {"what": _said(level, line[0])}, level.pk)
        for level in line
        if level.pk not in seen
    ]


def _days(field: str, country: str, now: datetime, later: datetime) -> Q:
    """Answer the condition that a day begins for `country` after `now` and at or before `later`."""
    return Q(
        **{f"{field}__gt": rules.local_dates(country, now)[0], f"{field}__lte": rules.local_dates(country, later)[0]}
    )
