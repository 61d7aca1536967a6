"""The tests' API as a WSGI application, for gunicorn."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.ROOT_URLCONF = "tests.core.api.sample"
application = get_wsgi_application()
