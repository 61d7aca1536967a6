"""The one place that reads the system clock."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """Answer the present instant in UTC; for entry points, which pass it down as `now`."""
    return timezone.now()  # noqa: TID251 - the one place
