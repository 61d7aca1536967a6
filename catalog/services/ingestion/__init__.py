"""Taking deliveries in: a run opens, is staged, applied in batches, and ends with a report.

`execute` does all of it. Whoever kills it loses nothing: each batch commits by itself, and the run
begins again, knowing what it has already done.
"""

from catalog.services.ingestion.outages import Interrupted, execute
from catalog.services.ingestion.runs import (
    FormatUnknown,
    LeaseLost,
    ProviderBusy,
    RunUnknown,
    open_run,
    provider_named,
    purge_deliveries,
    release_abandoned,
)

__all__ = [
    "FormatUnknown",
    "Interrupted",
    "LeaseLost",
    "ProviderBusy",
    "RunUnknown",
    "execute",
    "open_run",
    "provider_named",
    "purge_deliveries",
    "release_abandoned",
]
