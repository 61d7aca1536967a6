"""Subscriptions by the million, written by SQL alone: copies of one that was made as in life."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection, models

from billing.models import PaymentCustomer, PaymentMethod, Period, Price, Subscription
from tests.factories.billing import make_due

KEY = "('01990000-0000-7%(kind)s00-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
USER, CARD, SUBSCRIPTION = (KEY % {"kind": kind} for kind in (1, 2, 3))


class Filler:
    """Makes active subscriptions whose first period ends at a time, each with account, customer and card."""

    def __init__(self, price: Price) -> None:
        self._price = price
        self._made = 0

    def fill(self, count: int, *, due_at: datetime) -> None:
        """Make `count` of them."""
        (model,) = make_due(1, price=self._price, due_at=due_at)
        first, last = self._made + 1, self._made + count
        self._made = last
        with connection.cursor() as cursor:
            # Neither triggers nor foreign keys: these rows are right by how they are made.
            cursor.execute("SET session_replication_role = replica")
            self._copy(get_user_model(), model.account_id, first, last, {"id": USER, "email": "n || '@example.com'"})
            self._copy(
                PaymentCustomer, model.account_id, first, last, {"account_id": USER, "gateway_id": "'cus_b' || n"}
            )
            card = PaymentMethod.objects.get(account=model.account_id)
            card_columns = {"id": CARD, "account_id": USER, "gateway_id": "'pm_b' || n"}
            self._copy(PaymentMethod, card.pk, first, last, card_columns)
            self._copy(
                Subscription,
                model.pk,
                first,
                last,
                {"id": SUBSCRIPTION, "account_id": USER},
            )
            period = Period.objects.get(subscription=model)
            columns = {"id": "nextval('billing_period_id_seq')", "subscription_id": SUBSCRIPTION}
            self._copy(Period, period.pk, first, last, columns)
            cursor.execute("SET session_replication_role = DEFAULT")
            cursor.execute("VACUUM ANALYZE")
        for table in (Period, Subscription):
            _forget(table, model)

    def _copy(self, table: type[models.Model], key: Any, first: int, last: int, changed: Mapping[str, str]) -> None:
        columns = [str(field.column) for field in table._meta.concrete_fields]
        quote = connection.ops.quote_name
        names = ", ".join(quote(column) for column in columns)
        values = ", ".join(changed.get(column, quote(column)) for column in columns)
        pk = quote(str(table._meta.pk.column))
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {quote(table._meta.db_table)} ({names}) SELECT {values} "  # noqa: S608 - names are our own
                f"FROM {quote(table._meta.db_table)}, generate_series(%s::bigint, %s::bigint) AS n WHERE {pk} = %s",
                [first, last, key],
            )


def _forget(table: type[models.Model], model: Subscription) -> None:
    """Take the pattern away again."""
    with connection.cursor() as cursor:
        column = "id" if table is Subscription else "subscription_id"
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            f"DELETE FROM {table._meta.db_table} WHERE {column} = %s",  # noqa: S608 - names are our own
            [model.pk],
        )
        cursor.execute("SET session_replication_role = DEFAULT")
