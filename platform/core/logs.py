"""Log lines: JSON in production, colours for a person at a terminal, and no secrets in either.

A line carries the id of its request (which the answer carries as X-Request-ID) or of its task with
the request that started it, and the account's id. It carries no e-mail address, no client address,
no query string: logs are kept long and read by many. Nothing that opens a door gets through either;
`redact` runs last, over every line of ours and of the libraries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"

_SECRET_KEYS = re.compile(
    r"""
    authori[sz]ation | cookie | passw(or)?d | passphrase | secret | credential | api[-_]?key | private[-_]?key
    | session[-_]?(token|key|id)$ | (^|[-_])(token|otp|pin)$ | idempotency[-_]?key
    | ^card$ | card[-_]?number | ^(pan|cvc|cvv|iban)$
    | e[-_]?mail | ^(ip|remote_addr|x[-_]forwarded[-_]for|client[-_]?address)$
    """,
    re.IGNORECASE | re.VERBOSE,
)

_SECRET_TEXTS = re.compile(
    r"""
      \b(?:sk|rk)_(?:live|test)_\w+           # Stripe: secret and restricted keys
    | \bwhsec_\w+                             # Stripe: webhook secrets
    | \b(?:pi|seti)_\w+_secret_\w+            # Stripe: client secrets
    | (?<=://)[^\s/@:]*:[^\s/@]+(?=@)         # name and password in an address
    | \b(?:Bearer|Basic)\s+[\w.~+/=-]+
    | [\w.%+-]+@[\w-]+(?:\.[\w-]+)+           # e-mail addresses
    """,
    re.VERBOSE,
)

_DIGITS = re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])")


def redact(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Blank out what no log may hold: by key, and within texts by its look."""
    return {key: _redacted(key, value) for key, value in event.items()}


def drop_healthy_probes(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Say nothing of probes that went well: they come every few seconds for ever."""
    if event.get("event") == "request_finished" and event.get("code", 500) < 500 and " /health/" in event["request"]:
        raise structlog.DropEvent
    return event


_ROUTINE = {"task_enqueued", "task_started", "task_succeeded"}
_IDS = {"request_id", "task_id", "parent_task_id", "child_task_id", "user_id", "logger"}


def drop_routine(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Spare a person's terminal the tasks that went well: sweeps alone are several a minute."""
    if event.get("event") in _ROUTINE:
        raise structlog.DropEvent
    return event


def shorten(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Tell a person what happened in few words; what needs attention keeps its ids."""
    if event.get("event") == "request_finished":
        event["event"] = "{} {} in {} ms".format(*(event.pop(key) for key in ("request", "code", "duration_ms")))
    if event.get("level") in {"debug", "info"}:
        return {key: value for key, value in event.items() if key not in _IDS}
    return event


def configuration(*, json: bool, level: str) -> dict[str, Any]:
    """Set structlog up, and answer the matching configuration of standard logging."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
    ]
    renderer: list[Processor] = [shorten, structlog.dev.ConsoleRenderer(colors=True, pad_event_to=0, pad_level=False)]
    dropped = [drop_healthy_probes, drop_routine]
    if json:
        dropped = [drop_healthy_probes]
        shared.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
        renderer = [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(_json)]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *dropped,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, *renderer],
                "foreign_pre_chain": [*shared, structlog.stdlib.ExtraAdder()],
            }
        },
        "handlers": {"line": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["line"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": "INFO"},
            # django_structlog writes the line of each request and task, with its ids.
            "django.request": {"level": "CRITICAL"},
            "celery.app.trace": {"level": "CRITICAL"},
            "gunicorn.error": {"handlers": [], "propagate": True},
            "celery.worker.strategy": {"level": "WARNING"},
            # Each task tells of itself when it begins.
            "celery.beat": {"level": "WARNING"},
            # Clients that write a line for each of their requests.
            "httpx": {"level": "WARNING"},
            "stripe": {"level": "WARNING"},
        },
    }


def _redacted(key: object, value: Any) -> Any:
    if isinstance(key, str) and _SECRET_KEYS.search(key) and value is not None:
        return REDACTED
    if isinstance(value, Mapping):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(None, item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _DIGITS.sub(_card_number, _SECRET_TEXTS.sub(REDACTED, str(value)))


def _card_number(match: re.Match[str]) -> str:
    """Blank out digits that pass the check of card numbers (ISO/IEC 7812-1, Luhn)."""
    digits = [int(sign) for sign in match[0] if sign.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return match[0] if (sum(digits[-1::-2]) + sum(doubled)) % 10 else REDACTED


def _json(event: EventDict, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
