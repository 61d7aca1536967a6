"""The recording: what the platform asked of Stripe, as JSON lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import stripe

from tests.local.standin.kit import Shop, client
from tests.servers import CHECK
from tests.standin import PUBLISHABLE_KEY, Standin


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIPE_RECORDINGS", str(tmp_path))
    return tmp_path / "requests.jsonl"


class TestARecording:
    def test_holds_what_the_secret_key_asked_and_nothing_else(self, recording: Path) -> None:
        standin = Standin()
        standin.start()
        shop = Shop(standin)
        try:
            customer = shop.customer(metadata={"account": "a"})
            shop.set_up(customer)
            shop.control.fault("rate_limited", method="GET")
            with pytest.raises(stripe.RateLimitError):
                shop.v1.customers.list({"limit": 5})
            for key in ("sk_test_stranger", PUBLISHABLE_KEY):
                with pytest.raises(stripe.StripeError):
                    client(standin, key).v1.customers.list()
            httpx.get(f"{standin.url}/v1/customers", trust_env=False)
        finally:
            standin.close()
        requests = [json.loads(line) for line in recording.read_text().splitlines()]
        assert [(request["method"], request["path"].split("/")[2]) for request in requests] == [
            ("POST", "customers"),
            ("POST", "setup_intents"),
            ("GET", "setup_intents"),
            ("GET", "customers"),
        ]
        assert requests[0]["body"] == "metadata[account]=a"
        assert requests[3]["query"] == "limit=5"

    def test_is_left_out_for_tests_that_ask_wrongly(self, recording: Path) -> None:
        standin = Standin(record=False)
        standin.start()
        Shop(standin).customer()
        standin.close()
        assert not recording.exists()

    def test_that_stripe_would_not_understand_is_found(self, recording: Path) -> None:
        if not CHECK.exists():
            pytest.skip(f"the check is not at {CHECK}")
        line = {"method": "POST", "path": "/v1/payment_intents", "query": "", "body": "amonut=100"}
        recording.write_text(json.dumps(line) + "\n")
        checked = subprocess.run([sys.executable, CHECK, recording], capture_output=True, text=True, check=False)
        # An unknown parameter, and the two required ones that are missing.
        assert (checked.returncode, checked.stdout.splitlines()[-1]) == (1, "1 requests, 3 faults")
