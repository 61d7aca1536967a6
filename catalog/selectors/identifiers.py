"""Titles by the ids that people paste: our own, those of registries, those of providers."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from catalog.models import ExternalId, Provider, SourceRecord, Title

MOST = 50
"""Titles of one id: every provider may have called something "1"."""


def titles_named(text: str) -> list[UUID]:
    """Answer the titles of which this is an id, whole: a UUID, `namespace:value`, a value alone, or a provider's id.

    Of one that was merged, also what answers for it. Each is asked for by an index.
    """
    text = text.strip()
    if not text or len(text) > 300:
        return []
    try:
        found = list(Title.objects.filter(pk=UUID(text)).values_list("pk", "merged_into"))
        return [pk for row in found for pk in row if pk]
    except ValueError:
        pass
    namespace, _, value = text.partition(":")
    named = list(ExternalId.objects.filter(namespace=namespace.lower(), value=value).values_list("title", flat=True))
    named += ExternalId.objects.filter(namespace__in=_namespaces(), value=text).values_list("title", flat=True)[:MOST]
    providers = list(Provider.objects.order_by("pk").values_list("pk", flat=True))
    records = SourceRecord.objects.filter(provider__in=providers, external_id=text)
    named += records.values_list("title", flat=True)[:MOST]
    return list(dict.fromkeys(named))


def _namespaces() -> list[str]:
    """Answer the namespaces that there are, one step through the index each: to read all rows for them takes seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE found (namespace) AS ("
            " (SELECT namespace FROM catalog_externalid ORDER BY namespace LIMIT 1)"
            " UNION ALL SELECT (SELECT namespace FROM catalog_externalid"
            "   WHERE namespace > found.namespace ORDER BY namespace LIMIT 1)"
            " FROM found WHERE found.namespace IS NOT NULL"
            ") SELECT namespace FROM found WHERE namespace IS NOT NULL LIMIT 100"
        )
        return [namespace for (namespace,) in cursor.fetchall()]
