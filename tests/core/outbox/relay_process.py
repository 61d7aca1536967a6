"""A relay as a process, to be killed: `python -m tests.core.outbox.relay_process`."""

import django

django.setup()

from core import outbox  # noqa: E402 - needs Django
from tests.core.outbox import probe  # noqa: E402 - needs Django

outbox.relay(clock=lambda: probe.NOW)
