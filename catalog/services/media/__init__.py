"""Films: attached, packaged, swapped, purged."""

from catalog.services.media.attaching import (
    INCOMING,
    FileTooLarge,
    PlaceUnknown,
    SubtitlesRefused,
    attach,
    attach_stored,
    attach_subtitles,
    remove_subtitles,
)
from catalog.services.media.execution import execute
from catalog.services.media.jobs import LeaseLost, NothingToPackage, PackageUnknown, release_abandoned, retry
from catalog.services.media.purging import purge, purge_orphans

__all__ = [
    "INCOMING",
    "FileTooLarge",
    "LeaseLost",
    "NothingToPackage",
    "PackageUnknown",
    "PlaceUnknown",
    "SubtitlesRefused",
    "attach",
    "attach_stored",
    "attach_subtitles",
    "execute",
    "purge",
    "purge_orphans",
    "release_abandoned",
    "remove_subtitles",
    "retry",
]
