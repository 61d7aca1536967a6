"""What staff are told once two titles were parted."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext

from catalog.admin.naming import name_of
from catalog.services.matching import Parted


def say_losses(request: HttpRequest, parted: Parted) -> None:
    """Say what titles lack since two were parted: nothing goes off the air, or stays on it unseen, in silence."""
    for title in parted.withdrawn:
        said = gettext(
            "%(title)s is withdrawn: no delivery tells of it any more. Publish it if it should be public all the same."
        )
        messages.warning(request, said % {"title": name_of(title)})
    for title in parted.unlicensed:
        said = gettext("%(title)s has no licence: nobody sees it until one is granted.")
        messages.warning(request, said % {"title": name_of(title)})
