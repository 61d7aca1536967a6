"""Early fraud warnings: a card's bank suspects fraud, and a dispute may follow."""

from __future__ import annotations

from typing import Any

from local.stripe_standin.jobs import job
from local.stripe_standin.operations import listing, operation
from local.stripe_standin.params import PAGE, RANGE, text
from local.stripe_standin.work import Thing, Work, public

KIND = "radar.early_fraud_warning"
_URL = "/v1/radar/early_fraud_warnings"


@operation("GET", _URL, {**PAGE, "charge": text(), "created": RANGE, "payment_intent": text()})
def list_(work: Work, params: dict[str, Any]) -> Thing:
    return listing(work, KIND, params, _URL, charge=params.get("charge"), payment_intent=params.get("payment_intent"))


@operation("GET", f"{_URL}/{{warning}}")
def retrieve(work: Work, params: dict[str, Any], warning: str) -> Thing:
    return public(work.get(KIND, warning))


@job("warn_of_fraud")
def warn(work: Work, charge: Thing) -> Thing:
    """Make a warning about a charge. It calls for an answer unless the money is already back."""
    warning = work.new(
        KIND,
        actionable=not charge["refunded"] and not charge["disputed"],
        charge=charge["id"],
        fraud_type="unauthorized_use_of_card",
        payment_intent=charge["payment_intent"],
    )
    work.emit("radar.early_fraud_warning.created", warning)
    return warning


def answer(work: Work, charge: Thing) -> None:
    """A charge was wholly refunded or disputed: its warnings call for nothing more."""
    if not charge["refunded"] and not charge["disputed"]:
        return
    for warning in work.select("kind = ? AND charge = ?", KIND, charge["id"]):
        if warning["actionable"]:
            warning["actionable"] = False
            work.save(warning)
            work.emit("radar.early_fraud_warning.updated", warning, previous={"actionable": True})
