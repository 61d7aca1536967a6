"""What old months still hold."""

from datetime import datetime

from core.models.outbox import OutboxDelivery


def has_open_deliveries(start: datetime, end: datetime) -> bool:
    """Answer whether something published from `start` to before `end` is pending or parked."""
    return OutboxDelivery.objects.open().filter(occurred_at__gte=start, occurred_at__lt=end).exists()
