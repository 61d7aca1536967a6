"""The web server; each line may be overridden by GUNICORN_CMD_ARGS."""

import multiprocessing
import os

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
