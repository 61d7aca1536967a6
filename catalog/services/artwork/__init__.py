"""Images of titles: checked, stored, shown."""

from catalog.services.artwork.images import (
    ImageExists,
    ImageRefused,
    ImageUnknown,
    NothingToRetry,
    attach,
    describe,
    focus,
    remove,
    retry,
    spoken,
)
from catalog.services.artwork.working import purge_orphans, work

__all__ = [
    "ImageExists",
    "ImageRefused",
    "ImageUnknown",
    "NothingToRetry",
    "attach",
    "describe",
    "focus",
    "purge_orphans",
    "remove",
    "retry",
    "spoken",
    "work",
]
