"""`manage.py sync_staff_groups`: give each group of staff exactly its rights."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.services import staff


class Command(BaseCommand):
    """Run after every migration; running it again changes nothing."""

    help = "Give the groups support, content, billing and administrator exactly their rights."

    def handle(self, *args: Any, **options: Any) -> None:
        """Report each group's size."""
        for name, size in staff.sync_groups().items():
            if options["verbosity"]:
                self.stdout.write(f"{name}: {size} permissions")
