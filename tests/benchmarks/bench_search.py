"""How long a search takes in a catalogue of a million titles.

A mix of what people type: exact names, beginnings of one letter to a whole word, typos, people, words of several
titles, nonsense. Each query is asked once, so that nothing is warm but the database; a tenth of the titles is not
licensed where the viewer is, a third is too strict for the profile. TITLES says how many titles (1000000) and QUERIES
how many queries (1000). The last line is one JSON object, in milliseconds.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from collections.abc import Sequence

from local.throwaway import servers

TITLES = int(os.environ.get("TITLES", "1000000"))
QUERIES = int(os.environ.get("QUERIES", "1000"))
SHARES = {"exact": 25, "prefix": 25, "typo": 20, "person": 15, "words": 5, "nonsense": 10}


def main() -> None:
    """Print the figures."""
    import django

    django.setup()
    from django.core.management import call_command

    from catalog.services import search
    from tests.benchmarks import titles

    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    chance = random.Random(7)
    kept: list[tuple[str, list[str]]] = []

    def keep() -> object:
        for one in titles.names(TITLES):
            if chance.random() < 1000 / TITLES:
                kept.append(one)
            yield one

    titles.fill_up(keep())  # type: ignore[arg-type]  # an iterator
    print(f"{TITLES:,} titles in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    print(f"{search.refresh_vocabulary():,} words in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    print(f"{search.rebuild_completions():,} completions in {time.perf_counter() - began:.0f} s")
    search.choose_leaders()
    titles.settle()
    kinds = chance.choices(list(SHARES), list(SHARES.values()), k=QUERIES)
    took: dict[str, list[float]] = {kind: [] for kind in SHARES}
    found: dict[str, int] = dict.fromkeys(SHARES, 0)
    for kind in kinds:
        query = _query(kind, chance.choice(kept), chance)
        milliseconds, hits = _ask(query)
        took[kind].append(milliseconds)
        found[kind] += bool(hits)
        if milliseconds > 40:
            print(f"  slow: {kind} {query!r} {milliseconds:.0f} ms, {hits} found")
    for kind, times in took.items():
        if times:
            print(
                f"{kind:>9}: {len(times):4} queries, {found[kind]:4} with results, "
                f"p50 {statistics.median(times):6.1f} ms, p95 {_percentile(times, 95):6.1f} ms"
            )
    every = [milliseconds for times in took.values() for milliseconds in times]
    print(
        json.dumps({"titles": TITLES, "p50_ms": round(statistics.median(every), 1), "p95_ms": _percentile(every, 95)})
    )


def _query(kind: str, title: tuple[str, list[str]], chance: random.Random) -> str:
    name, people = title
    if kind == "exact":
        return name
    if kind == "prefix":
        return name[: chance.randint(1, min(8, len(name)))]
    if kind == "person":
        return chance.choice(people)
    if kind == "words":
        return chance.choice(name.split())
    if kind == "typo":
        return " ".join(_mistyped(word, chance) for word in name.split())
    return "".join(chance.choices("bcdfghjklmnpqrstvwxzaeiou", k=chance.randint(5, 12)))


def _mistyped(word: str, chance: random.Random) -> str:
    if len(word) < 4:
        return word
    place = chance.randrange(1, len(word) - 1)
    return chance.choice(
        [
            word[:place] + word[place + 1 :],
            word[:place] + word[place + 1] + word[place] + word[place + 2 :],
            word[:place] + chance.choice("aeiorst") + word[place + 1 :],
            word[:place] + word[place] + word[place:],
        ]
    )


def _ask(query: str) -> tuple[float, int]:
    from accounts.maturity import Audience
    from catalog.rules import Viewer
    from catalog.services import search
    from tests.benchmarks.titles import NOW

    viewer = Viewer("US", ("en",), Audience(13, allows_unrated=False))
    began = time.perf_counter()
    found = search.answer(query=query, viewer=viewer, now=NOW, limit=20)
    return (time.perf_counter() - began) * 1000, len(found.title_ids)


def _percentile(values: Sequence[float], percent: int) -> float:
    return round(sorted(values)[min(len(values) - 1, len(values) * percent // 100)], 1)


if __name__ == "__main__":
    with servers() as settings:
        os.environ |= settings | {"DJANGO_SETTINGS_MODULE": "config.settings"}
        main()
