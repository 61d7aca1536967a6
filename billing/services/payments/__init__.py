"""Collecting what is owed: commit the attempt, call, settle.

`sending` calls with what the attempt's row holds; `sweeping` asks again for whatever nobody is waiting for any more, after
a kill, a lost reply or an error of the gateway; `waiting` is about what waits for its customer.
"""

from billing.services.payments.sending import mark_sent, send, settle_each
from billing.services.payments.sweeping import sweep
from billing.services.payments.waiting import first_that_waits, stand, withdraw

__all__ = ["first_that_waits", "mark_sent", "send", "settle_each", "stand", "sweep", "withdraw"]
