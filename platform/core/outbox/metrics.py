"""What waits in the outbox, counted when Prometheus asks."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django.db import DatabaseError
from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core import clock
from core.models.outbox import OutboxDelivery

logger = logging.getLogger(__name__)


class Backlog(Collector):
    """Open deliveries and the age of the oldest, by handler and state.

    Whoever watches alerts on anything parked and on an age of minutes.
    """

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name the metrics without asking the database."""
        yield from self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count; without a database there are no figures, and the other metrics still are."""
        count, age = self._families()
        rows = (
            OutboxDelivery.objects.open()
            .order_by()
            .values_list("handler", "state")
            .annotate(Count("pk"), Min("occurred_at"))
        )
        try:
            for handler, state, number, oldest in rows:
                count.add_metric([handler, state], number)
                age.add_metric([handler, state], max((clock.now() - oldest).total_seconds(), 0))
        except DatabaseError:
            logger.warning("The outbox could not be counted.", exc_info=True)
            return
        yield count
        yield age

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        labels = ["handler", "state"]
        return (
            GaugeMetricFamily("outbox_open_deliveries", "Deliveries that are pending or parked.", labels=labels),
            GaugeMetricFamily("outbox_oldest_seconds", "Age of the oldest open delivery.", labels=labels),
        )
