"""The platform with the benchmark's bare views as a WSGI application, for gunicorn."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.ROOT_URLCONF = "tests.benchmarks.browse_endpoint"
application = get_wsgi_application()
