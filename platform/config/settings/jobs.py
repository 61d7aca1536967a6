"""Work in the background: Celery, what runs by itself and how often, and the outbox."""

from typing import Any

from config.settings.databases import REDIS_URL
from config.settings.deployment import env

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
# A killed worker's task is delivered again: every task is safe to run twice.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
WORKER_HEARTBEAT_FILE = env.str("WORKER_HEARTBEAT_FILE", "")
"""Touched every ten seconds by a worker that runs; an older file means one that hangs."""
CELERY_BEAT_SCHEDULER = "core.schedule.Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = env.str("CELERY_BEAT_SCHEDULE_FILENAME", "celerybeat-schedule")
# Names of tasks, so that the schedule imports no app.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "relay-outbox": {"task": "core.tasks.relay_outbox", "schedule": 60},
    "purge-idempotency-keys": {"task": "core.tasks.purge_idempotency_keys", "schedule": 3600},
    "keep-partitions": {"task": "core.tasks.keep_partitions", "schedule": 24 * 3600},
    "deliver-due-mail": {"task": "accounts.tasks.deliver_due_mail", "schedule": 60},
    "build-due-exports": {"task": "accounts.tasks.build_due_exports", "schedule": 60},
    "erase-due-accounts": {"task": "accounts.tasks.erase_due_accounts", "schedule": 60},
    "mail-recovery-codes": {"task": "accounts.tasks.mail_recovery_codes", "schedule": 60},
    "expire-profile-offers": {"task": "accounts.tasks.expire_profile_offers", "schedule": 600},
    "purge-accounts": {"task": "accounts.tasks.purge", "schedule": 24 * 3600},
    "renew-subscriptions": {"task": "billing.tasks.renew_due", "schedule": 60},
    "alert-of-late-renewals": {"task": "billing.tasks.alert_of_late_renewals", "schedule": 3600},
    "sweep-payments": {"task": "billing.tasks.sweep_payments", "schedule": 60},
    "process-webhooks": {"task": "billing.tasks.process_webhooks", "schedule": 60},
    "warn-of-expiring-cards": {"task": "billing.tasks.warn_of_expiring_cards", "schedule": 3600},
    "deliver-gifts": {"task": "billing.tasks.deliver_gifts", "schedule": 60},
    "expire-gifts": {"task": "billing.tasks.expire_gifts", "schedule": 3600},
    "prune-setbacks": {"task": "billing.tasks.prune_setbacks", "schedule": 3600},
    "send-receipts": {"task": "billing.tasks.send_receipts", "schedule": 60},
    "record-recurring-revenue": {"task": "billing.tasks.record_recurring_revenue", "schedule": 1800},
    "record-seller": {"task": "billing.tasks.record_seller", "schedule": 900},
    "sweep-refunds": {"task": "billing.tasks.sweep_refunds", "schedule": 300},
    "fill-webhook-holes": {"task": "billing.tasks.fill_webhook_holes", "schedule": 24 * 3600},
    "purge-webhooks": {"task": "billing.tasks.purge_webhooks", "schedule": 24 * 3600},
    "recognise-revenue": {"task": "billing.tasks.recognise_revenue", "schedule": 3600},
    "announce-prices": {"task": "billing.tasks.announce_prices", "schedule": 3600},
    "remind-of-charges": {"task": "billing.tasks.remind", "schedule": 3600},
    "tie-out-books": {"task": "billing.tasks.tie_out", "schedule": 6 * 3600},
    "run-queued-ingests": {"task": "catalog.tasks.run_queued_ingests", "schedule": 60},
    "check-due-sources": {"task": "catalog.tasks.check_due_sources", "schedule": 60},
    "carry-out-plans": {"task": "catalog.tasks.carry_out_plans", "schedule": 60},
    "purge-deliveries": {"task": "catalog.tasks.purge_deliveries", "schedule": 24 * 3600},
    "package-queued-media": {"task": "catalog.tasks.package_queued_media", "schedule": 60},
    "work-on-artwork": {"task": "catalog.tasks.work_on_artwork", "schedule": 60},
    "purge-artwork": {"task": "catalog.tasks.purge_artwork", "schedule": 7 * 24 * 3600},
    "purge-media": {"task": "catalog.tasks.purge_media", "schedule": 24 * 3600},
    "follow-renames": {"task": "catalog.tasks.follow_renames", "schedule": 60},
    "apply-age-ratings": {"task": "catalog.tasks.apply_age_ratings", "schedule": 24 * 3600},
    "refresh-search-vocabulary": {"task": "catalog.tasks.refresh_vocabulary", "schedule": 24 * 3600},
}
for _entry in CELERY_BEAT_SCHEDULE.values():
    # What waited until its next turn is dropped for it: an outage of the workers leaves no heap of turns behind.
    _entry["options"] = {"expires": _entry["schedule"]}
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "core.tasks.relay_outbox": {"queue": "outbox"},
    "accounts.tasks.deliver_mail": {"queue": "mail"},
    "billing.tasks.*": {"queue": "billing"},
    # Work of hours and of all cores: workers of its own.
    "catalog.tasks.package_media": {"queue": "media"},
    "catalog.tasks.work_on_artwork": {"queue": "artwork"},
    "catalog.tasks.*": {"queue": "ingest"},
}

# How often a handler may fail at an event before staff have to decide.
OUTBOX_MAX_FAILURES = env.int("OUTBOX_MAX_FAILURES", 8)
# How long settled deliveries are kept, in whole months that lie behind it.
OUTBOX_RETENTION_DAYS = env.int("OUTBOX_RETENTION_DAYS", 90)
