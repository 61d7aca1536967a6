"""The roof: settings, addresses, workers. It wires everything, and nothing imports it."""

# Celery's shared tasks bind to the app that exists when they are first called.
from config.celery import app as celery_app

__all__ = ["celery_app"]
