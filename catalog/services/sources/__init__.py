"""Looking whether a provider has delivered, and taking what is new. Nothing is fetched inside a transaction."""

from catalog.services.sources.addresses import CredentialUnknown
from catalog.services.sources.folders import GIVEN_UP, FolderUnknown
from catalog.services.sources.looking import OUTCOMES, check, claim_due
from catalog.services.sources.saving import SourceInvalid, save

__all__ = [
    "GIVEN_UP",
    "OUTCOMES",
    "CredentialUnknown",
    "FolderUnknown",
    "SourceInvalid",
    "check",
    "claim_due",
    "save",
]
