"""The same for an ASGI server."""

import os

from django.core.asgi import get_asgi_application

from core import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Before Django reads its list of middleware, to which tracing adds one.
tracing.start()

application = get_asgi_application()
