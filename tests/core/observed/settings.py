"""The platform's settings with one view and one task of the tests, logging as production does."""

from config.settings import *  # noqa: F403, TID251 - this is a settings module
from core import logs

ROOT_URLCONF = "tests.core.observed.urls"
LOGGING = logs.configuration(json=True, level="INFO")
CELERY_IMPORTS = ["tests.core.observed.tasks"]
