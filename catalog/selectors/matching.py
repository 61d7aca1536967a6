"""The editors' queue: titles that may be one, side by side."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from catalog.models import MatchCandidate, Title

_ROWS = 8


def side_by_side(candidate: MatchCandidate) -> list[tuple[str, str, str]]:
    """Answer what two titles say of themselves: field, one, other."""
    one, other = (_facts(Title.objects.get(pk=pk)) for pk in (candidate.title_id, candidate.other_id))
    return [(name, one[name], other[name]) for name in one]


def _facts(title: Title) -> dict[str, str]:
    texts = list(title.texts.order_by("language"))
    people = title.credits.select_related("person").order_by("billing", "pk")[:_ROWS]
    sources = title.source_records.select_related("provider").order_by("pk")
    return {
        gettext("Delivered by"): _lines(f"{source.provider}: {source.external_id}" for source in sources),
        gettext("Kind"): title.get_kind_display(),
        gettext("Name"): _lines(f"{text.language}: {text.name}" for text in texts),
        gettext("Original title"): title.original_title,
        gettext("Released"): _released(title),
        gettext("Running time"): f"{title.runtime_seconds // 60} min" if title.runtime_seconds else "",
        gettext("People"): _lines(f"{credit.person.name} ({credit.get_job_display()})" for credit in people),
        gettext("Ids"): _lines(str(item) for item in title.external_ids.order_by("namespace", "value")),
        gettext("Synopsis"): next((text.synopsis_short or text.synopsis_medium for text in texts), ""),
        gettext("State"): title.get_state_display(),
    }


def _released(title: Title) -> str:
    """Answer a date as far as it is known: a year alone is no first of January."""
    length = {"year": 4, "month": 7}.get(title.release_precision, 10)
    return title.release_date.isoformat()[:length] if title.release_date else ""


def _lines(parts: Any) -> str:
    return "\n".join(parts)
