"""The web server; each line may be overridden by GUNICORN_CMD_ARGS."""

import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "platform"))

from core import logs, scrape

pythonpath = "platform"
wsgi_app = "config.wsgi"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", multiprocessing.cpu_count()))
threads = 8
# Behind a load balancer that keeps connections open for 60 s, ours must not close first.
keepalive = 75
graceful_timeout = 30
# A worker that leaks is replaced, and not all at once.
max_requests = 20_000
max_requests_jitter = 2_000
accesslog = None
control_socket_disable = True
# Who may say that a request came by HTTPS is TRUSTED_PROXIES' affair, not the server's.
forwarded_allow_ips = ""
logconfig_dict = logs.configuration(
    json=os.environ.get("DEPLOYMENT", "production") == "production", level=os.environ.get("LOG_LEVEL") or "INFO"
)

METRICS_PORT = int(os.environ.get("METRICS_PORT") or 0)


def on_starting(server: Any) -> None:
    """End with a sentence if a setting is missing, before workers fail by it one after the other."""
    # In a child, so that a later reload reads settings anew.
    child = os.fork()
    if child == 0:
        os._exit(_read_settings())
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit(1)
    if METRICS_PORT:
        scrape.share_figures(METRICS_PORT)
        scrape.forget_figures()


def _read_settings() -> int:
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        settings.SECRET_KEY  # noqa: B018 - reads them all
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201 - the program ends before there is a log
        return 1
    return 0


def when_ready(server: Any) -> None:
    """Let Prometheus read the figures of all workers."""
    if METRICS_PORT:
        try:
            server.metrics = scrape.serve(METRICS_PORT)
        except scrape.PortTaken as error:
            sys.exit(str(error))


def post_fork(server: Any, worker: Any) -> None:
    """Let go of the parent's port of figures in a worker."""
    if METRICS_PORT:
        server.metrics.socket.close()


def child_exit(server: Any, worker: Any) -> None:
    """Remove the figures that only make sense while a worker lives."""
    if METRICS_PORT:
        scrape.forget_process(worker.pid)


def on_exit(server: Any) -> None:
    """Remove the files of figures."""
    if METRICS_PORT:
        scrape.remove_directory()
