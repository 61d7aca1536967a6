"""Configuration of the core app."""

from datetime import timedelta

from django.apps import AppConfig
from django.conf import settings


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = "Platform"

    def ready(self) -> None:
        """Have the outbox's months kept and its backlog counted."""
        from prometheus_client import REGISTRY

        from core import partitions
        from core.outbox import metrics, retention

        days = timedelta(days=settings.OUTBOX_RETENTION_DAYS)
        for table in ("core_outboxdelivery", "core_outboxevent"):
            partitions.register(
                partitions.PartitionedTable(table, "occurred_at", retention=days, in_use=retention.has_open_deliveries)
            )
        REGISTRY.register(metrics.Backlog())
