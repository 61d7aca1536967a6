"""Accounts, their profiles, the profile each sign-in acts as, devices, mail on its way, and what was done.

A user is an account: the household that signs up, pays and owns profiles. Sessions, second factors and
addresses under verification are django-allauth's tables. What joins a profile to a title belongs to the
apps above.
"""

from accounts.models.audit import AuditEntry
from accounts.models.consents import Consent, MailPreference, PolicyDocument, SuppressedAddress
from accounts.models.deletions import AccountDeletion, ErasureStep
from accounts.models.devices import Device, DeviceRegistration
from accounts.models.exports import DataExport
from accounts.models.mails import OutgoingEmail
from accounts.models.pins import Pin
from accounts.models.profiles import Profile, SessionProfile
from accounts.models.recoveries import Recovery
from accounts.models.televisions import CodeTries, DeviceAuthorization
from accounts.models.transfers import ProfileTransfer
from accounts.models.users import User

__all__ = [
    "AccountDeletion",
    "AuditEntry",
    "CodeTries",
    "Consent",
    "DataExport",
    "Device",
    "DeviceAuthorization",
    "DeviceRegistration",
    "ErasureStep",
    "MailPreference",
    "OutgoingEmail",
    "Pin",
    "PolicyDocument",
    "Profile",
    "ProfileTransfer",
    "Recovery",
    "SessionProfile",
    "SuppressedAddress",
    "User",
]
