"""Requests that count once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import RFC_4122, UUID, uuid4

import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError, connection, connections, transaction
from django.db.transaction import TransactionManagementError
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import User
from core import idempotency, personal_data
from core.api.idempotency import IdempotencyKeyMalformed, IdempotencyKeyMissing, parse_key
from core.idempotency import AlreadyAnswered, Answer, KeyReused, RequestInProgress, RequestKey
from core.models import IdempotencyKey
from core.tasks import purge_idempotency_keys
from tests.core.api import sample
from tests.core.api.sample import Gate
from tests.core.api.test_problems import SAMPLE, problem
from tests.erasures import Tally
from tests.factories.accounts import AccountFactory, sign_in

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=django_settings.IDEMPOTENCY_LEASE_SECONDS)
DAY = timedelta(hours=24)


def pay(client: APIClient, body: Any = None, *, key: str | None = "k1", path: str = "payments") -> Any:
    """Answer the response of a payment."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"{SAMPLE}/{path}", {"amount": 5} if body is None else body, headers=headers)


def books() -> list[tuple[Any, ...]]:
    """Answer amount and state of every intent."""
    return sample.rows("SELECT amount, state FROM sample_intent ORDER BY amount")


def outside() -> list[tuple[Any, ...]]:
    """Answer amount of every effect outside, and how often it was asked for."""
    return sample.rows("SELECT amount, asked FROM sample_outside ORDER BY amount")


@pytest.mark.django_db
@pytest.mark.usefixtures("tables")
class TestRequest:
    def test_is_executed_once_and_answered_twice_the_same(self, client: APIClient) -> None:
        first, again = pay(client), pay(client)
        assert (first.status_code, first.json()["state"]) == (201, "paid")
        assert (again.status_code, again.content) == (201, first.content)
        for name in ("Content-Type", "Location"):
            assert again.headers[name] == first.headers[name]
        assert "Idempotency-Replayed" not in first.headers
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
        assert (books(), outside()) == ([(5, "paid")], [(5, 1)])

    def test_needs_a_key(self, client: APIClient) -> None:
        problem(pay(client, key=None), 400, "idempotency_key_missing")
        problem(pay(client, key=" "), 400, "idempotency_key_missing")
        assert (books(), IdempotencyKey.objects.count()) == ([], 0)

    @pytest.mark.parametrize(
        "key", ["x" * 256, '"open', 'a"b', '""', "schlüssel", "a b", '"\\x"', '"a";b', "?1", ":YQ==:x y"]
    )
    def test_refuses_a_malformed_key(self, client: APIClient, key: str) -> None:
        problem(pay(client, key=key), 400, "idempotency_key_malformed")
        assert (books(), IdempotencyKey.objects.count()) == ([], 0)

    def test_is_refused_with_another_body(self, client: APIClient) -> None:
        pay(client)
        problem(pay(client, {"amount": 6}), 422, "idempotency_key_reused")
        problem(pay(client, {"amount": 5, "note": ""}), 422, "idempotency_key_reused")
        assert books() == [(5, "paid")]

    def test_is_the_same_however_its_body_is_written(self, client: APIClient) -> None:
        written = {"k1": '{"amount": 5, "note": "a"}', '"k1"': '{"note":"\\u0061","amount":5}'}
        first, again = (
            client.generic("POST", f"{SAMPLE}/payments", body, "application/json", headers={"Idempotency-Key": key})
            for key, body in written.items()
        )
        assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
        assert books() == [(5, "paid")]

    def test_is_another_for_another_account_address_or_key(self, client: APIClient) -> None:
        other = APIClient()
        other.credentials(HTTP_X_SESSION_TOKEN=sign_in(AccountFactory.create()))
        answers = [
            pay(client),
            pay(other),
            pay(client, path="wallets/a/payments"),
            pay(client, path="wallets/b/payments"),
            pay(client, key="K1"),
        ]
        assert [answer.status_code for answer in answers] == [201] * 5
        assert len({answer.json()["id"] for answer in answers}) == 5
        assert books() == [(5, "paid")] * 5

    def test_tells_nobody_else_what_was_answered(self, client: APIClient) -> None:
        pay(client)
        problem(pay(APIClient()), 401, "not_authenticated")

    def test_that_was_declined_is_answered_so_again(self, client: APIClient) -> None:
        first, again = pay(client, {"amount": 13}), pay(client, {"amount": 13})
        members = problem(first, 402, "sample_card_declined")
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.headers["Content-Type"] == "application/problem+json"
        assert (again.status_code, again.json()) == (402, members)
        assert (books(), outside()) == ([(13, "declined")], [(13, 1)])

    @pytest.mark.parametrize(("body", "status"), [({"amount": 2000}, 409), ({"amount": 0}, 400), ({}, 400)])
    def test_that_was_refused_before_it_began_is_judged_anew(
        self, client: APIClient, body: dict[str, int], status: int
    ) -> None:
        for _ in range(2):
            answer = pay(client, body)
            assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (status, False)
        assert (books(), IdempotencyKey.objects.count()) == ([], 0)
        assert pay(client).status_code == 201

    @pytest.mark.parametrize("failure", [sample.OutsideUnavailable(), ZeroDivisionError()])
    def test_that_failed_on_our_side_may_be_sent_again_at_once(
        self, client: APIClient, failure: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail() -> None:
            raise failure

        client.raise_request_exception = False
        monkeypatch.setitem(sample.at, "intent committed", fail)
        assert pay(client).status_code in {500, 503}
        assert books() == [(5, "open")]
        monkeypatch.delitem(sample.at, "intent committed")
        answer = pay(client)
        assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (201, False)
        assert (books(), outside()) == ([(5, "paid")], [(5, 1)])

    def test_is_answered_for_a_day(self, client: APIClient) -> None:
        first = pay(client)
        IdempotencyKey.objects.update(expires_at=LONG_AGO, leased_until=LONG_AGO)
        late = pay(client)
        # Forgotten is the answer, not the payment: the intent is found.
        assert "Idempotency-Replayed" not in late.headers
        assert (late.status_code, late.json()) == (201, first.json())
        assert books() == [(5, "paid")]

    def test_is_a_new_one_with_another_body_after_a_day(self, client: APIClient) -> None:
        pay(client)
        IdempotencyKey.objects.update(expires_at=LONG_AGO, leased_until=LONG_AGO)
        assert pay(client, {"amount": 6}).status_code == 201
        assert books() == [(5, "paid"), (6, "paid")]

    def test_whose_service_claims_nothing_is_a_bug(self, client: APIClient) -> None:
        with pytest.raises(RuntimeError, match="ForgetfulView succeeded, but no service claimed"):
            pay(client, path="forgetful")


@pytest.mark.django_db
@pytest.mark.usefixtures("tables")
class TestSecretAnswer:
    def test_is_made_again_and_not_kept(self, client: APIClient) -> None:
        first, again = pay(client, path="secrets"), pay(client, path="secrets")
        assert first.json()["client_secret"] == "s3cr3t"
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["Idempotency-Replayed"] == "true"
        assert IdempotencyKey.objects.get().body is None
        assert books() == [(5, "paid")]

    def test_is_refused_with_another_body(self, client: APIClient) -> None:
        pay(client, path="secrets")
        problem(pay(client, {"amount": 6}, path="secrets"), 422, "idempotency_key_reused")

    def test_that_is_a_refusal_is_kept(self, client: APIClient) -> None:
        pay(client, {"amount": 13}, path="secrets")
        again = pay(client, {"amount": 13}, path="secrets")
        problem_members = (again.status_code, again.json()["code"], again.headers["Idempotency-Replayed"])
        assert problem_members == (402, "sample_card_declined", "true")
        assert outside() == [(13, 1)]


@pytest.mark.usefixtures("tables_for_real")
class TestTwoAtOnce:
    def _in_thread(self, call: Callable[[], Any], pool: ThreadPoolExecutor) -> Any:
        def run() -> Any:
            try:
                return call()
            finally:
                connections.close_all()

        return pool.submit(run)

    @pytest.mark.parametrize("point", ["intent committed", "outside effect done", "settled"])
    def test_let_one_execute_and_refuse_the_other(self, client: APIClient, point: str) -> None:
        with Gate(point) as gate, ThreadPoolExecutor(1) as pool:
            first = self._in_thread(lambda: pay(client), pool)
            assert gate.reached.wait(60)
            second = pay(client)
            members = problem(second, 409, "idempotency_in_progress")
            assert 1 <= int(second.headers["Retry-After"]) == members["retry_after"] <= LEASE.total_seconds()
            problem(pay(client, {"amount": 6}), 422, "idempotency_key_reused")
            gate.open.set()
            assert first.result(60).status_code == 201
        assert pay(client).headers["Idempotency-Replayed"] == "true"
        assert (books(), outside()) == ([(5, "paid")], [(5, 1)])

    @pytest.mark.parametrize("fate", ["commit", "rollback"])
    def test_wait_for_each_other_while_neither_has_committed(self, account: User, fate: str) -> None:
        mine = RequestKey.of(account_id=account.pk, operation="POST x", key="k", body={})
        theirs = RequestKey.of(account_id=account.pk, operation="POST x", key="k", body={})

        def claim_theirs() -> str:
            with transaction.atomic():
                try:
                    idempotency.claim(theirs, now=NOW)
                except RequestInProgress as refused:
                    return refused.code
            return "claimed"

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                idempotency.claim(mine, now=NOW)
                other = self._in_thread(claim_theirs, pool)
                self._until_somebody_waits_for_a_lock()
                assert not other.done()
                transaction.set_rollback(fate == "rollback")
            assert other.result(60) == ("claimed" if fate == "rollback" else "idempotency_in_progress")
        assert IdempotencyKey.objects.get().holder == (theirs.holder if fate == "rollback" else mine.holder)

    def _until_somebody_waits_for_a_lock(self) -> None:
        deadline = time.monotonic() + 60
        while not sample.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)

    def test_of_many_retries_one_takes_an_ended_lease_over(self, account: User) -> None:
        keys = [RequestKey.of(account_id=account.pk, operation="POST x", key="k", body={}) for _ in range(9)]
        with transaction.atomic():
            idempotency.claim(keys[0], now=NOW)
        barrier = threading.Barrier(8)

        def take_over(key: RequestKey) -> str:
            barrier.wait(60)
            with transaction.atomic():
                try:
                    idempotency.claim(key, now=NOW + LEASE)
                except RequestInProgress as refused:
                    return refused.code
            return "claimed"

        with ThreadPoolExecutor(8) as pool:
            waiting = [self._in_thread(lambda key=key: take_over(key), pool) for key in keys[1:]]  # type: ignore[misc]  # a lambda's default has no type
            outcomes = sorted(other.result(60) for other in waiting)
        assert outcomes == ["claimed"] + ["idempotency_in_progress"] * 7


@pytest.mark.django_db
class TestClaim:
    def key(self, body: Any = None) -> RequestKey:
        return RequestKey.of(account_id=UUID(int=1), operation="POST x", key="k", body=body or {})

    def test_is_refused_while_the_lease_lives_and_no_longer(self) -> None:
        first, second = self.key(), self.key()
        idempotency.claim(first, now=NOW)
        idempotency.claim(first, now=NOW)  # the holder may come again
        with pytest.raises(RequestInProgress) as refused:
            idempotency.claim(second, now=NOW + LEASE - timedelta(seconds=1))
        assert refused.value.extra == {"retry_after": 1}
        idempotency.claim(second, now=NOW + LEASE)
        assert IdempotencyKey.objects.get().holder == second.holder

    def test_is_refused_to_another_body_also_after_the_lease(self) -> None:
        idempotency.claim(self.key(), now=NOW)
        with pytest.raises(KeyReused):
            idempotency.claim(self.key({"a": 1}), now=NOW + LEASE)

    def test_finds_an_answer_that_came_meanwhile(self) -> None:
        first = self.key()
        idempotency.claim(first, now=NOW)
        assert idempotency.keep(first, Answer(201, {"Content-Type": "x"}, b"y"), now=NOW)
        with pytest.raises(AlreadyAnswered) as found:
            idempotency.claim(self.key(), now=NOW + timedelta(hours=23))
        assert found.value.answer == Answer(201, {"Content-Type": "x"}, b"y")
        idempotency.claim(self.key(), now=NOW + DAY)

    def test_that_was_taken_over_keeps_no_answer(self) -> None:
        first, second = self.key(), self.key()
        idempotency.claim(first, now=NOW)
        idempotency.claim(second, now=NOW + LEASE)
        assert not idempotency.keep(first, Answer(201, {}, b"first"), now=NOW + LEASE)
        idempotency.release(first, now=NOW + LEASE)
        with pytest.raises(RequestInProgress):
            idempotency.find(first, now=NOW + LEASE)
        assert idempotency.keep(second, Answer(201, {}, b"second"), now=NOW + LEASE)
        assert not idempotency.keep(second, Answer(200, {}, b"third"), now=NOW + LEASE)
        assert idempotency.find(first, now=NOW + LEASE) == Answer(201, {}, b"second")

    @pytest.mark.django_db(transaction=True)
    def test_needs_the_transaction_of_the_intent(self) -> None:
        with pytest.raises(TransactionManagementError):
            idempotency.claim(self.key(), now=NOW)
        assert IdempotencyKey.objects.count() == 0

    @pytest.mark.parametrize(
        "fields", [{"status": 429}, {"status": 500}, {"status": 100}, {"fingerprint": b"x"}, {"body": b"x"}]
    )
    def test_cannot_be_recorded_falsely(self, fields: dict[str, Any]) -> None:
        idempotency.claim(self.key(), now=NOW)
        answered: dict[str, Any] = {"headers": {}} if "status" in fields else {}
        with pytest.raises(IntegrityError), transaction.atomic():
            IdempotencyKey.objects.update(**answered | fields)

    def test_holds_neither_key_nor_body(self) -> None:
        key = RequestKey.of(account_id=UUID(int=1), operation="POST x", key="k-1234", body={"card": "4242-secret"})
        idempotency.claim(key, now=NOW)
        with connection.cursor() as cursor:
            cursor.execute("SELECT row_to_json(k)::text FROM core_idempotencykey k")
            [[row]] = cursor.fetchall()
        assert "k-1234" not in row
        assert "secret" not in row


class TestKey:
    @given(
        st.tuples(st.uuids(), st.text(max_size=3), st.text(max_size=3), st.dictionaries(st.text(max_size=2), st.integers(0, 3))),
        st.tuples(st.uuids(), st.text(max_size=3), st.text(max_size=3), st.dictionaries(st.text(max_size=2), st.integers(0, 3))),
    )  # fmt: skip
    def test_is_the_same_for_the_same_request_alone(self, one: Any, two: Any) -> None:
        def key(parts: Any) -> RequestKey:
            return RequestKey.of(**dict(zip(("account_id", "operation", "key", "body"), parts, strict=True)))

        assert key(one).id == key(one).id
        assert (key(one).id == key(two).id) is (one == two)
        assert (key(one).row_id == key(two).row_id) is (one[:3] == two[:3])
        assert (key(one).id.version, key(one).id.variant) == (8, RFC_4122)

    def test_does_not_depend_on_the_order_of_members(self) -> None:
        one = RequestKey.of(account_id=UUID(int=1), operation="x", key="k", body={"a": 1, "b": [{"c": 1, "d": 2}]})
        two = RequestKey.of(account_id=UUID(int=1), operation="x", key="k", body={"b": [{"d": 2, "c": 1}], "a": 1})
        assert one.id == two.id

    @given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255))
    def test_is_read_from_a_quoted_string(self, key: str) -> None:
        quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
        assert parse_key(quoted) == key

    @given(st.text(max_size=300))
    def test_is_read_or_refused(self, header: str) -> None:
        with suppress(IdempotencyKeyMalformed, IdempotencyKeyMissing):
            key = parse_key(header)
            assert 1 <= len(key) <= 255
            assert key.isascii()


@pytest.mark.django_db
class TestForgetting:
    def test_takes_what_has_expired(self) -> None:
        for number, age in enumerate([DAY, DAY + timedelta(days=3), timedelta(hours=23), timedelta()]):
            idempotency.claim(RequestKey.of(account_id=uuid4(), operation="x", key=str(number), body={}), now=NOW - age)
        assert idempotency.purge(now=NOW) == 2
        assert idempotency.purge(now=NOW) == 0
        assert IdempotencyKey.objects.count() == 2

    def test_goes_on_beyond_one_transaction(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(idempotency, "_PURGED_AT_ONCE", 2)
        for number in range(5):
            idempotency.claim(RequestKey.of(account_id=uuid4(), operation="x", key=str(number), body={}), now=NOW - DAY)
        assert idempotency.purge(now=NOW) == 5

    def test_is_a_job_of_every_hour(self) -> None:
        idempotency.claim(RequestKey.of(account_id=uuid4(), operation="x", key="k", body={}), now=NOW - 9999 * DAY)
        purge_idempotency_keys(unknown="argument of a later release")
        assert IdempotencyKey.objects.count() == 0
        tasks = [entry["task"] for entry in django_settings.CELERY_BEAT_SCHEDULE.values()]
        assert purge_idempotency_keys.name in tasks

    def test_is_part_of_an_accounts_erasure(self) -> None:
        gone, stays = uuid4(), uuid4()
        for account_id in (gone, stays):
            idempotency.claim(RequestKey.of(account_id=account_id, operation="x", key="k", body={}), now=NOW)
        [core] = [contributor for contributor in personal_data.contributors() if contributor.name == "core"]
        tally = Tally()
        for _ in range(2):
            core.erase(account_id=gone, now=NOW, tally=tally)
        assert tally == {"core.IdempotencyKey": 1}
        assert IdempotencyKey.objects.get().account_id == stays
        assert list(core.export(account_id=stays)) == []
