"""What the web server serves."""

import os

from django.core.wsgi import get_wsgi_application

from core import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Before Django reads its list of middleware, to which tracing adds one.
tracing.start()

application = get_wsgi_application()
