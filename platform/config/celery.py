"""The Celery application: `celery --app config worker`."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django_structlog.celery.steps import DjangoStructLogInitStep

from core.heartbeat import Heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("streaming")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Log lines of a task carry its id and that of the request that started it.
app.steps["worker"].add(DjangoStructLogInitStep)
app.steps["worker"].add(Heartbeat)


@setup_logging.connect
def leave_logging_to_the_settings(**_: Any) -> None:
    """Keep Celery from setting logging up again, which it does unless somebody else claims to."""
