"""A deployment to watch from outside: the platform's own gunicorn and worker, one view, one task."""
