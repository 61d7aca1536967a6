"""Who may do what is sensitive."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.principals import Principal


class NotOnTelevision(BasePermission):
    """A television is everybody's who sits before it: nothing sensitive is done on one."""

    message = _("This cannot be done on a television; use a phone or a browser.")

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Refuse televisions."""
        return not (isinstance(request.auth, Principal) and request.auth.is_television)
