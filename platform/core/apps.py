"""Configuration of the core app."""

from datetime import timedelta

from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created
from django.utils.translation import gettext_lazy as _

from core import labels, personal_data


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = _("Platform")

    def ready(self) -> None:
        """Have the outbox's months kept, its backlog counted, queries measured, and keys of requests erased."""
        from core import idempotency, metrics, partitions
        from core.outbox import retention
        from core.outbox.metrics import Backlog

        days = timedelta(days=settings.OUTBOX_RETENTION_DAYS)
        for table in ("core_outboxdelivery", "core_outboxevent"):
            partitions.register(
                partitions.PartitionedTable(table, "occurred_at", retention=days, in_use=retention.has_open_deliveries)
            )
        metrics.when_scraped(Backlog())
        connection_created.connect(metrics.measure_queries)
        personal_data.register(idempotency.CONTRIBUTOR)
        labels.name_fields("core", models={"outboxdelivery": (_("outbox delivery"), _("outbox deliveries"))}, fields={})
