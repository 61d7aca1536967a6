"""The outbox's tables, partitioned by month.

Written in SQL because Django cannot create partitioned tables; the state names `id` alone as the primary
key, which the sequence makes true, since Django's admin takes no composite one.
"""

import django.db.models.deletion
from django.db import migrations, models

CREATE = """
CREATE TABLE core_outboxevent (
    id bigserial NOT NULL,
    occurred_at timestamptz NOT NULL,
    type varchar(100) NOT NULL,
    aggregate varchar(200) COLLATE "C" NOT NULL,
    payload jsonb NOT NULL,
    PRIMARY KEY (id, occurred_at)
) PARTITION BY RANGE (occurred_at);

CREATE TABLE core_outboxevent_default PARTITION OF core_outboxevent DEFAULT;

CREATE TABLE core_outboxdelivery (
    id bigserial NOT NULL,
    occurred_at timestamptz NOT NULL,
    event_id bigint NOT NULL,
    handler varchar(100) COLLATE "C" NOT NULL,
    aggregate varchar(200) COLLATE "C" NOT NULL,
    state varchar(10) NOT NULL,
    failures smallint NOT NULL CHECK (failures >= 0),
    due_at timestamptz NULL,
    error text NOT NULL,
    settled_at timestamptz NULL,
    decision varchar(10) NOT NULL,
    decided_by varchar(100) NOT NULL,
    decided_at timestamptz NULL,
    decision_reason text NOT NULL,
    PRIMARY KEY (id, occurred_at),
    CONSTRAINT outbox_delivery_once UNIQUE (event_id, handler, occurred_at),
    CONSTRAINT outbox_delivery_settled CHECK (
        (settled_at IS NULL AND state IN ('pending', 'parked'))
        OR (settled_at IS NOT NULL AND state IN ('delivered', 'skipped'))
    ),
    CONSTRAINT outbox_delivery_decision CHECK (
        (decision = '' AND decided_by = '' AND decided_at IS NULL AND decision_reason = '')
        OR (
            decision IN ('retry', 'skip') AND decided_by <> '' AND decided_at IS NOT NULL AND decision_reason <> ''
        )
    ),
    CONSTRAINT outbox_delivery_skipped_by_staff CHECK (state <> 'skipped' OR decision = 'skip')
) PARTITION BY RANGE (occurred_at);

CREATE TABLE core_outboxdelivery_default PARTITION OF core_outboxdelivery DEFAULT;

CREATE INDEX outbox_delivery_open ON core_outboxdelivery (handler, aggregate, event_id)
    WHERE settled_at IS NULL;
"""

DROP = """
DROP TABLE core_outboxdelivery;
DROP TABLE core_outboxevent;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(CREATE, DROP)],
            state_operations=[
                migrations.CreateModel(
                    name="OutboxEvent",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("occurred_at", models.DateTimeField()),
                        ("type", models.CharField(max_length=100)),
                        ("aggregate", models.CharField(db_collation="C", max_length=200)),
                        ("payload", models.JSONField()),
                    ],
                    options={
                        "verbose_name": "outbox event",
                    },
                ),
                migrations.CreateModel(
                    name="OutboxDelivery",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("occurred_at", models.DateTimeField()),
                        ("handler", models.CharField(db_collation="C", max_length=100)),
                        ("aggregate", models.CharField(db_collation="C", max_length=200)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "pending"),
                                    ("parked", "parked"),
                                    ("delivered", "delivered"),
                                    ("skipped", "skipped"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("failures", models.PositiveSmallIntegerField(default=0)),
                        ("due_at", models.DateTimeField(null=True)),
                        ("error", models.TextField(default="")),
                        ("settled_at", models.DateTimeField(null=True)),
                        (
                            "decision",
                            models.CharField(
                                blank=True, choices=[("retry", "retry"), ("skip", "skip")], default="", max_length=10
                            ),
                        ),
                        ("decided_by", models.CharField(default="", max_length=100)),
                        ("decided_at", models.DateTimeField(null=True)),
                        ("decision_reason", models.TextField(default="")),
                        (
                            "event",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="deliveries",
                                to="core.outboxevent",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "outbox delivery",
                        "verbose_name_plural": "outbox deliveries",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("settled_at__isnull", True)),
                                fields=["handler", "aggregate", "event"],
                                name="outbox_delivery_open",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("event", "handler", "occurred_at"), name="outbox_delivery_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("settled_at__isnull", True), ("state__in", ["pending", "parked"])),
                                    models.Q(("settled_at__isnull", False), ("state__in", ["delivered", "skipped"])),
                                    _connector="OR",
                                ),
                                name="outbox_delivery_settled",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("decided_at__isnull", True),
                                        ("decided_by", ""),
                                        ("decision", ""),
                                        ("decision_reason", ""),
                                    ),
                                    models.Q(
                                        ("decided_at__isnull", False),
                                        ("decision__in", ["retry", "skip"]),
                                        models.Q(("decided_by", ""), _negated=True),
                                        models.Q(("decision_reason", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="outbox_delivery_decision",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "skipped"), _negated=True), ("decision", "skip"), _connector="OR"
                                ),
                                name="outbox_delivery_skipped_by_staff",
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
