"""Recording what became of a charge, with everything that follows from it.

`settle` is the one place for it, whoever brings the outcome (the reply, a webhook, the sweeper), in any
order and any number of times. The `changes` of one settlement are gathered and written set-wise. `outcomes` sorts what
comes in; nearly all of it is `ordinary`, the rest leads to `successes` and `failures`, and those to `states`.
"""

from billing.services.settlement.changes import SYSTEM, Changes
from billing.services.settlement.failures import record_failure
from billing.services.settlement.outcomes import nothing_is_left, settle
from billing.services.settlement.states import (
    cancel,
    cancel_unpaid,
    change_status,
    end_trial_unpaid,
    park,
    pause,
    put_on_hold,
    void_waiting_changes,
    waiting_changes,
)
from billing.services.settlement.successes import mark_paid, settle_covered

__all__ = [
    "SYSTEM",
    "Changes",
    "cancel",
    "cancel_unpaid",
    "change_status",
    "end_trial_unpaid",
    "mark_paid",
    "nothing_is_left",
    "park",
    "pause",
    "put_on_hold",
    "record_failure",
    "settle",
    "settle_covered",
    "void_waiting_changes",
    "waiting_changes",
]
