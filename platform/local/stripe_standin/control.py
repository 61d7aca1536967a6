"""A client of the stand-in's control endpoint."""

from __future__ import annotations

import time
from typing import Any

import httpx


class Control:
    """Drives the stand-in at `url`. Raises ValueError, with what the stand-in says, for what it refuses."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/_control", timeout=60, trust_env=False)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def reset(self, *, seed: int = 0) -> None:
        """Forget everything: objects, faults, counters, the driven clock. `seed` is for what is random."""
        self._post("reset", seed=seed)

    # ------------------------------------------------ time

    def now(self) -> int:
        """Answer the stand-in's clock in Unix seconds."""
        return int(self._get("clock")["now"])

    def set_clock(self, at: int | None) -> None:
        """Stop the clock at Unix seconds, or let it run with real time again. What becomes due is done."""
        self._post("clock", at=at)

    def advance(self, seconds: int) -> None:
        """Move the clock on, and stop it there. What becomes due is done."""
        self._post("clock", advance=seconds)

    def run_jobs(self) -> int:
        """Do now what is due; answers how many jobs that were."""
        return int(self._post("jobs")["done"])

    # ------------------------------------------------ faults

    def fault(self, kind: str, **rule: Any) -> None:
        """Add a fault: see faults.Fault."""
        self._post("faults", kind=kind, **rule)

    def faults(self) -> dict[str, Any]:
        """Answer the faults in force, with how often each has struck."""
        return self._get("faults")

    def limit_rate(self, per_second: int = 0, *, per_endpoint: int = 0) -> None:
        """Answer 429 beyond so many requests a second, in all and for each endpoint; 0 is without limit."""
        self._post("rate", per_second=per_second, per_endpoint=per_endpoint)

    def clear(self, *, seed: int = 0) -> None:
        """Forget all faults and the rate limit."""
        self._post("clear", seed=seed)

    # ------------------------------------------------ webhooks

    def webhooks(self, **faults: Any) -> None:
        """Disturb the webhooks of events from now on: see faults.WebhookFaults."""
        self._post("webhooks", **faults)

    def release_webhooks(self, order: str = "created") -> int:
        """Hold no more, and deliver what was held in the order created, reversed or shuffled; answers how many."""
        return int(self._post("webhooks/release", order=order)["released"])

    def resend(self, event: str) -> None:
        """Deliver an event once more."""
        self._post("webhooks/resend", event=event)

    def forge(self, event_type: str, thing: dict[str, Any], *, flaw: str = "secret") -> list[int]:
        """Send an event that never happened; answers the receivers' statuses. `flaw`: see webhooks.forge."""
        statuses: list[int] = self._post("webhooks/forge", type=event_type, object=thing, flaw=flaw)["statuses"]
        return statuses

    def rotate_webhook_secret(self, secret: str, *, keep_old_for: int = 86_400) -> None:
        """Sign with a new secret, and with the old one beside it for so many seconds."""
        self._post("webhooks/rotate", secret=secret, keep_old_for=keep_old_for)

    def wait_for_webhooks(self, seconds: float = 20) -> None:
        """Wait until every webhook that is not held has been delivered or given up; raises TimeoutError."""
        until = time.monotonic() + seconds
        while self._get("deliveries")["waiting"]:
            if time.monotonic() > until:
                raise TimeoutError(f"webhooks still wait after {seconds} s")
            time.sleep(0.02)

    # ------------------------------------------------ customers and banks

    def authenticate(self, kind: str, object_id: str, *, passed: bool = True) -> dict[str, Any]:
        """Answer the bank's question to the customer; `kind` is payment_intent or setup_intent."""
        return self._post("authenticate", kind=kind, id=object_id, passed=passed)

    def dispute(
        self, charge: str, reason: str = "fraudulent", *, amount: int | None = None, inquiry: bool = False
    ) -> dict[str, Any]:
        """Open a dispute, over everything that is left unless an amount is given."""
        return self._post("dispute", charge=charge, reason=reason, amount=amount, inquiry=inquiry)

    def warn_of_fraud(self, charge: str) -> dict[str, Any]:
        """Make an early fraud warning."""
        return self._post("fraud_warning", charge=charge)

    def decide(self, dispute: str, *, won: bool) -> dict[str, Any]:
        """Close a dispute."""
        return self._post("decide", dispute=dispute, won=won)

    def behave_as(self, payment_method: str, number: str) -> None:
        """Have a card behave from now on as the test card of this number."""
        self._post("card", payment_method=payment_method, behave_as=number)

    def update_card(self, payment_method: str, **card: Any) -> dict[str, Any]:
        """Do what card updaters do: change `exp_month`, `exp_year`, `last4` or `brand` under the same id."""
        return self._post("card", payment_method=payment_method, **card)

    # ------------------------------------------------ the books

    def charges(self, customer: str | None = None) -> list[dict[str, Any]]:
        """Answer every charge that moved money, oldest first."""
        found: list[dict[str, Any]] = self._get("books", **({"customer": customer} if customer else {}))["charges"]
        return found

    def net(self) -> dict[str, int]:
        """Answer the balance by currency, after fees."""
        found: dict[str, int] = self._get("books")["net"]
        return found

    def counters(self) -> dict[str, int]:
        """Answer how many requests of each endpoint were answered with each status."""
        return self._get("counters")

    def _post(self, what: str, **given: Any) -> dict[str, Any]:
        return self._read(self._http.post(f"/{what}", json=given))

    def _get(self, what: str, **query: str) -> dict[str, Any]:
        return self._read(self._http.get(f"/{what}", params=query))

    def _read(self, answer: httpx.Response) -> dict[str, Any]:
        read: dict[str, Any] = answer.json()
        if answer.is_error:
            raise ValueError(read["error"])
        return read
