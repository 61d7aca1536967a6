"""What is told to those who watch it run: logs, figures and traces."""

import logging

from config.settings.deployment import PRODUCTION, env
from core import logs, scrape

LOGGING = logs.configuration(json=PRODUCTION, level=env.str("LOG_LEVEL", "INFO"))
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
# The line at the end says all that the line at the start would.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
# A client's mistake is no concern of whoever watches ours.
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO

METRICS_PORT: int = env.int("METRICS_PORT", 0)
if METRICS_PORT:
    scrape.share_figures(METRICS_PORT)
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", "")
OTEL_SERVICE_NAME = env.str("OTEL_SERVICE_NAME", "streaming")
