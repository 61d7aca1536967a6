"""Makes anew all that the search reads: after an upgrade that changes how words are taken apart."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from catalog.services import search


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Write documents in batches, while searches go on; then count words, make the completions and choose who leads."""
        number = 0
        for written in search.rebuild_all():
            number += written
            print(f"\r{number:,} documents", end="", flush=True)
        print()
        print(f"{search.refresh_vocabulary():,} words, {search.rebuild_completions():,} completions")
        search.choose_leaders()
