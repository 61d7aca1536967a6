"""Brings the ages of stored ratings in line with the table: `manage.py apply_age_ratings`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from catalog.services import ratings
from core import clock


class Command(BaseCommand):
    help = "Give each stored rating the minimum age that this release has for it. The nightly schedule does so, too."

    def handle(self, *args: Any, **options: Any) -> None:
        print(f"{ratings.apply_table(now=clock.now()):,} ratings had another age.")
