"""A client of the stand-in's control addresses."""

from __future__ import annotations

import time
from typing import Any

import httpx


class Control:
    """Drives the stand-in at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/_control", timeout=30, trust_env=False)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def fault(self, kind: str, **rule: Any) -> None:
        """Add a fault: see faults.Fault."""
        self._post("faults", kind=kind, **rule)

    def wait_for_requests(self, seconds: float = 20) -> None:
        """Wait until every request that has come is answered, whether or not its caller still waits."""
        until = time.monotonic() + seconds
        while self._get("requests")["under_way"]:
            if time.monotonic() > until:
                raise TimeoutError(f"requests are still under way after {seconds} s")
            time.sleep(0.02)

    def struck(self) -> int:
        """Answer how many requests the faults in force have struck."""
        return sum(rule["struck"] for rule in self._get("faults")["requests"])

    def webhooks(self, **faults: Any) -> None:
        """Disturb the delivery of webhooks: see faults.WebhookFaults; what is not named ends."""
        self._post("webhooks", **faults)

    def limit_rate(self, per_second: int) -> None:
        """Answer 429 beyond so many requests a second; 0 lifts it."""
        self._post("rate", per_second=per_second)

    def clear(self) -> None:
        """Forget all faults."""
        self._post("clear")

    def set_clock(self, at: int | None, *, sign: bool = False) -> None:
        """Stop the clock at Unix seconds, or let it run again; `sign` signs webhooks with it too."""
        self._post("clock", at=at, sign=sign)

    def advance(self, seconds: int, *, sign: bool = False) -> None:
        """Move the clock, and stop it there."""
        self._post("clock", advance=seconds, sign=sign)

    def now(self) -> int:
        """Answer the clock in Unix seconds."""
        return int(self._get("clock")["now"])

    def authenticate(self, kind: str, object_id: str, *, passed: bool = True) -> dict[str, Any]:
        """Answer the bank's question to the customer; `kind` is payment_intent or setup_intent."""
        return self._post("authenticate", kind=kind, id=object_id, passed=passed)

    def change_card(self, payment_method: str, **change: Any) -> dict[str, Any]:
        """Change a saved card as its bank does: brand, last4, exp_month, exp_year, country, behaves_like; or say its wallet."""
        return self._post("card", payment_method=payment_method, **change)

    def dispute(self, charge: str, reason: str = "fraudulent") -> dict[str, Any]:
        """Open a dispute."""
        return self._post("dispute", charge=charge, reason=reason)

    def warn_of_fraud(self, charge: str) -> dict[str, Any]:
        """Make an early fraud warning."""
        return self._post("fraud_warning", charge=charge)

    def decide(self, dispute: str, *, won: bool) -> dict[str, Any]:
        """Close a dispute."""
        return self._post("decide", dispute=dispute, won=won)

    def pay_out(self, currency: str) -> dict[str, Any]:
        """Pay out all that the balance holds in a currency."""
        return self._post("payout", currency=currency)

    def settle_payout(self, payout: str, *, paid: bool) -> dict[str, Any]:
        """Let a payout arrive, or come back."""
        return self._post("settle_payout", payout=payout, paid=paid)

    def charges(self) -> list[dict[str, Any]]:
        """Answer every charge that moved money."""
        found: list[dict[str, Any]] = self._get("books")["charges"]
        return found

    def net(self) -> dict[str, int]:
        """Answer the balance by currency, after fees."""
        found: dict[str, int] = self._get("books")["net"]
        return found

    def wait_for_webhooks(self, seconds: float = 20) -> None:
        """Wait until every webhook has been delivered."""
        until = time.monotonic() + seconds
        while self._get("deliveries")["waiting"]:
            if time.monotonic() > until:
                raise TimeoutError(f"webhooks still wait after {seconds} s")
            time.sleep(0.02)

    def reset(self) -> None:
        """Forget everything."""
        self._post("reset")

    def _post(self, what: str, **data: Any) -> dict[str, Any]:
        return self._read(self._http.post(f"/{what}", json=data))

    def _get(self, what: str) -> dict[str, Any]:
        return self._read(self._http.get(f"/{what}"))

    def _read(self, answer: httpx.Response) -> dict[str, Any]:
        data: dict[str, Any] = answer.json()
        if answer.is_error:
            raise ValueError(data["error"])
        return data
