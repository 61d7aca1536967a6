"""Accounts, their profiles, the profile each sign-in acts as, devices, and mail on its way.

A user is an account: the household that signs up, pays and owns profiles. Sessions, second factors and
addresses under verification are django-allauth's tables. What joins a profile to a title belongs to the
apps above.
"""

from accounts.models.devices import Device, DeviceRegistration
from accounts.models.mails import OutgoingEmail
from accounts.models.profiles import Profile, SessionProfile
from accounts.models.users import User

__all__ = ["Device", "DeviceRegistration", "OutgoingEmail", "Profile", "SessionProfile", "User"]
