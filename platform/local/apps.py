"""Configuration of the local app."""

from django.apps import AppConfig


class LocalConfig(AppConfig):
    name = "local"
