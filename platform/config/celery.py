"""The Celery application: `celery --app config worker`."""

import os
import sys
from types import TracebackType
from typing import Any
from wsgiref.simple_server import WSGIServer

from celery import Celery
from celery.signals import celeryd_init, setup_logging, task_postrun, task_prerun, worker_process_init, worker_shutdown
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from core import scrape, tracing
from core.heartbeat import Heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("streaming")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(Heartbeat)

_metrics: WSGIServer | None = None


@setup_logging.connect
def leave_logging_to_the_settings(**_: Any) -> None:
    """Keep Celery from setting logging up again, which it does unless somebody else claims to."""


@celeryd_init.connect
def measure(**_: Any) -> None:
    """Log and count a worker's tasks, and let Prometheus read the figures if METRICS_PORT is set."""
    from django.apps import apps

    from core import metrics

    # Log lines of a task carry its id and that of the request that started it. The receiver that
    # is there already: the library's own step would add a second, and a second line of each task.
    apps.get_app_config("django_structlog")._celery_receiver.connect_worker_signals()  # type: ignore[attr-defined]

    task_prerun.connect(metrics.begin_task)
    task_postrun.connect(metrics.end_task)
    if settings.METRICS_PORT:
        global _metrics
        scrape.forget_figures()
        collectors = [scrape.closing_database(collector) for collector in metrics.scraped()]
        try:
            _metrics = scrape.serve(settings.METRICS_PORT, collectors)
        except scrape.PortTaken as error:
            sys.exit(str(error))


@worker_process_init.connect
def begin_child(**_: Any) -> None:
    """Begin what each child of the worker does by itself, and let go of its parent's port."""
    if _metrics:
        _metrics.socket.close()
    tracing.start()


@worker_shutdown.connect
def leave_no_figures(**_: Any) -> None:
    """Remove the files of figures."""
    if settings.METRICS_PORT:
        scrape.remove_directory()


def _name_what_is_missing(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, ImproperlyConfigured):
        print(error, file=sys.stderr)  # noqa: T201 - the program ends before there is a log
    else:
        sys.__excepthook__(kind, error, trace)


# A worker or beat that lacks a setting ends with a sentence, as manage.py and gunicorn do.
sys.excepthook = _name_what_is_missing
