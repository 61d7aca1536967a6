"""The platform with the benchmark's endpoint as a WSGI application, for gunicorn."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.ROOT_URLCONF = "tests.benchmarks.auth_endpoint"
application = get_wsgi_application()
