"""How long the content team's pages take in a catalogue of a million titles.

Every filter and order that the list of titles offers, searches from one letter on, ids, and the pages beside the list, each asked
for three times through the whole stack but the network; the quickest counts. A title with 300 credits and a series with 500
episodes are opened. TITLES says how many titles (1000000). The last line is one JSON object, in milliseconds.
"""

from __future__ import annotations

import json
import os
import time
from datetime import date
from typing import Any

from local.throwaway import servers

TITLES = int(os.environ.get("TITLES", "1000000"))
ROUNDS = 3


def main() -> None:
    """Print the figures."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client

    from tests.benchmarks import titles
    from tests.factories.accounts import AccountFactory, sign_in

    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    titles.fill_up(titles.names(TITLES))
    large = _large()
    titles.settle()
    print(f"{TITLES:,} titles in {time.perf_counter() - began:.0f} s")
    client = Client(headers={"host": "localhost"})
    client.cookies["sessionid"] = sign_in(AccountFactory.create(is_staff=True, is_superuser=True))
    took = {}
    for name, address in _pages(large).items():
        took[name] = round(min(_ask(client, f"/admin/catalog/{address}") for _ in range(ROUNDS)))
        print(f"{name:>24}: {took[name]:6} ms")
    print(json.dumps({"titles": TITLES, "slowest_ms": max(took.values()), "list_ms": took["list"]}))


def _pages(large: dict[str, Any]) -> dict[str, str]:
    return {
        "list": "title/",
        "page 50": "title/?p=50",
        "all kinds": "title/?kind=movie",
        "a rare kind": "title/?kind=special",
        "drafts": "title/?state__exact=draft",
        "published": "title/?state__exact=published",
        "provider of few": "title/?provider=few",
        "by year": "title/?o=3",
        "by year, newest": "title/?o=-3",
        "id": f"title/?q={large['film']}",
        "external id": "title/?q=imdb:tt0000001",
        "external id, value": "title/?q=tt0000001",
        "provider's id": "title/?q=f-1",
        "no such id": "title/?q=imdb:tt9",
        "one letter": "title/?q=a",
        "two letters": "title/?q=ba",
        "three letters": "title/?q=bar",
        "nothing": "title/?q=xqxqxq",
        "300 credits": f"title/{large['film']}/change/",
        "500 episodes": f"title/{large['series']}/change/",
        "person": "person/?q=Per",
        "calendar": "title/calendar/?country=US&weeks=26",
        "no poster": "title/gaps/?country=US&language=en&gap=poster",
        "no name": "title/gaps/?country=US&language=en&gap=name",
        "no synopsis": "title/gaps/?country=US&language=en&gap=synopsis",
        "ages, many hidden": "title/ages/?country=US&age=12",
        "ages, none hidden": "title/ages/?country=US&age=17",
        "reviews": "review/",
        "matches": "matchcandidate/",
        "deliveries": "ingestrun/",
    }


def _large() -> dict[str, Any]:
    """Make a film of 300 credits and a series of 500 episodes, and a provider of a few titles."""
    from catalog.models import Credit, ExternalId, IngestRun, Person, Provider, SourceRecord, Title
    from tests.benchmarks.titles import NOW
    from tests.factories.catalog import EpisodeFactory, SeasonFactory, TitleFactory

    film, series = TitleFactory.create(name="A crowd"), TitleFactory.create(kind="series", name="A long one")
    people = Person.objects.bulk_create(Person(name=f"Person {number}") for number in range(300))
    Credit.objects.bulk_create(Credit(title=film, person=person, job="actor") for person in people)
    for number in range(1, 11):
        season = SeasonFactory.create(parent=series, number=number)
        for episode in range(1, 51):
            EpisodeFactory.create(parent=season, number=episode, release_date=date(2024, 1, 1), release_precision="day")
    ExternalId.objects.create(title=film, namespace="imdb", value="tt0000001")
    few = Provider.objects.create(code="few", name="Few")
    run = IngestRun.objects.create(
        provider=few, format="jsonl", source_name="f", started_by="x", created_at=NOW, state="finished", finished_at=NOW
    )
    SourceRecord.objects.bulk_create(
        SourceRecord(provider=few, external_id=f"f-{number}", title=title, digest=b"", format="jsonl", first_run=run, last_run=run)
        for number, title in enumerate(Title.objects.order_by("pk")[:20])
    )  # fmt: skip
    return {"film": film.pk, "series": series.pk}


def _ask(client: Any, address: str) -> float:
    began = time.perf_counter()
    answer = client.get(address)
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answers {answer.status_code}")
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    with servers() as settings:
        os.environ |= settings | {"DJANGO_SETTINGS_MODULE": "config.settings"}
        main()
