"""core.logs: what no log line may hold."""

from __future__ import annotations

import pytest
import structlog

from core.logs import REDACTED, drop_healthy_probes, drop_routine, redact, shorten


def redacted(**event: object) -> dict[str, object]:
    return dict(redact(None, "info", dict(event)))


class TestRedact:
    @pytest.mark.parametrize(
        "key",
        [
            "Authorization", "HTTP_AUTHORIZATION", "X-Session-Token", "session_token", "cookie", "Set-Cookie", "password",
            "new_password", "passphrase", "secret", "client_secret", "STRIPE_SECRET_KEY", "api_key", "token", "reset_token",
            "otp", "pin", "Idempotency-Key", "card", "card_number", "number_of_card_number", "cvc", "iban", "email",
            "e-mail", "user_email", "ip", "REMOTE_ADDR", "x-forwarded-for", "sessionid", "session_key",
        ],
    )  # fmt: skip
    def test_blanks_out_by_key(self, key: str) -> None:
        assert redacted(**{key: "whatever"}) == {key: REDACTED}
        assert redacted(headers={key: ["whatever"]}) == {"headers": {key: REDACTED}}

    @pytest.mark.parametrize(
        "key", ["event", "request_id", "task_id", "user_id", "code", "tokens_left", "shipping", "pinned"]
    )
    def test_leaves_other_keys(self, key: str) -> None:
        assert redacted(**{key: "value"}) == {key: "value"}

    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            ("key sk_live_51Habc is wrong", "key [redacted] is wrong"),
            ("rk_test_abc123", REDACTED),
            ("signed with whsec_abc123", "signed with [redacted]"),
            ("pi_3Mt_secret_Yr1b confirms", "[redacted] confirms"),
            ("seti_1Abc_secret_xyz", REDACTED),
            ("GET with Bearer abc.def-ghi", "GET with [redacted]"),
            ("Basic dXNlcjpwYXNz", REDACTED),
            ("card 4242424242424242 declined", "card [redacted] declined"),
            ("card 4242 4242 4242 4242 declined", "card [redacted] declined"),
            ("card 3782-822463-10005", "card [redacted]"),
            ("mail to jane.doe+tv@example.co.uk failed", "mail to [redacted] failed"),
            ("redis://:hunter2@cache:6379/0", "redis://[redacted]@cache:6379/0"),
            ("postgresql://app:hunter2@db/main", "postgresql://[redacted]@db/main"),
        ],
    )
    def test_blanks_out_within_texts(self, text: str, kept: str) -> None:
        assert redacted(event=text) == {"event": kept}
        assert redacted(error=ValueError(text)) == {"error": kept}
        assert redacted(items=[{"note": (text,)}]) == {"items": [{"note": [kept]}]}

    @pytest.mark.parametrize(
        "text",
        [
            "018f2b6e-7c1a-7e3b-8a4d-5b6c7d8e9f00",
            "4242424242424241",
            "1732166400000",
            "2026-11-21T05:18:00.123456Z",
            "pi_3MtwBwLkdIwHu7ix28a3tqPa",
            "http://127.0.0.1:8000/api/v1/titles",
        ],
    )
    def test_leaves_what_only_looks_alike(self, text: str) -> None:
        assert redacted(event=text) == {"event": text}

    def test_leaves_figures_and_nothing_as_they_are(self) -> None:
        assert redacted(n=1, ratio=0.5, well=True, user_id=None, email=None) == {
            "n": 1, "ratio": 0.5, "well": True, "user_id": None, "email": None,
        }  # fmt: skip


class TestDropHealthyProbes:
    def test_drops_a_probe_that_went_well(self) -> None:
        with pytest.raises(structlog.DropEvent):
            drop_healthy_probes(None, "info", {"event": "request_finished", "code": 200, "request": "GET /health/live"})

    @pytest.mark.parametrize(
        "event",
        [
            {"event": "request_finished", "code": 503, "request": "GET /health/ready"},
            {"event": "request_finished", "code": 200, "request": "GET /api/v1/titles"},
            {"event": "something else"},
        ],
    )
    def test_keeps_every_other_line(self, event: dict[str, object]) -> None:
        assert drop_healthy_probes(None, "info", event) == event


class TestDropRoutine:
    @pytest.mark.parametrize("name", ["task_enqueued", "task_started", "task_succeeded"])
    def test_spares_the_terminal_tasks_that_went_well(self, name: str) -> None:
        with pytest.raises(structlog.DropEvent):
            drop_routine(None, "info", {"event": name})

    @pytest.mark.parametrize("name", ["task_failed", "task_retrying", "request_finished"])
    def test_keeps_every_other_line(self, name: str) -> None:
        assert drop_routine(None, "info", {"event": name}) == {"event": name}


class TestShorten:
    def test_tells_a_request_in_few_words(self) -> None:
        line = {"event": "request_finished", "level": "info", "request": "GET /status", "code": 200, "duration_ms": 12}
        assert shorten(None, "info", line | {"request_id": "1", "user_id": None, "logger": "x"}) == {
            "event": "GET /status 200 in 12 ms", "level": "info",
        }  # fmt: skip

    def test_leaves_the_ids_where_something_went_wrong(self) -> None:
        line = {"event": "task_failed", "level": "error", "task_id": "1"}
        assert shorten(None, "error", dict(line)) == line
