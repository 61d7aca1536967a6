"""Renewing what is due, row by row of the schedule and in batches.

A batch is claimed, invoiced, numbered and given its attempts in one transaction (`claiming`, by what `deciding`
makes of the `facts`); then charged with many calls in flight; then settled in one transaction, while the next batch
is under way (`running`). A worker killed anywhere in between leaves attempts that the sweeper settles, and nothing
that another worker would bill again. `previews` tells beforehand, `reports` afterwards.
"""

from billing.services.renewals.previews import CatchUp, catch_up_report, preview
from billing.services.renewals.reports import Handled
from billing.services.renewals.running import run

__all__ = [
    "CatchUp",
    "Handled",
    "catch_up_report",
    "preview",
    "run",
]
