"""Accounts, and staff, who are users too and have their rights from groups."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Lower

from accounts import rules
from core.clock import now
from core.ids import new_id


class UserQuerySet(models.QuerySet["User"]):
    """Questions about accounts."""

    def locked(self) -> Self:
        """Lock these accounts until the transaction ends, in the order everybody locks them in."""
        return self.order_by("pk").select_for_update(of=("self",))

    def for_email(self, address: str) -> Self:
        """The account of an address, however it is spelled."""
        return self.filter(email=rules.canonical_email(address))


class UserManager(BaseUserManager["User"]):
    """Makes users from an e-mail address and a password."""

    def get_queryset(self) -> UserQuerySet:
        """Answer our own QuerySet."""
        return UserQuerySet(self.model, using=self._db)

    def locked(self) -> UserQuerySet:
        """See UserQuerySet."""
        return self.get_queryset().locked()

    def for_email(self, address: str) -> UserQuerySet:
        """See UserQuerySet."""
        return self.get_queryset().for_email(address)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Make an account that may sign in with `password`; without one, only by code."""
        user: User = self.model(email=rules.canonical_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Make a member of staff with every right."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """An account, known by its e-mail address."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(unique=True)
    """In its canonical form: see `rules.canonical_email`."""
    country = models.CharField(max_length=2, blank=True)
    """Where the household says it lives (ISO 3166-1 alpha-2); empty for staff who are no customers."""
    language = models.CharField(max_length=12, default="en")
    """BCP 47; the language of mail that no request asks for."""
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    """Whether the account may sign in and use its sessions."""
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    suspension_reason = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"

    class Meta:
        permissions = [("suspend_user", "Can suspend and unsuspend accounts")]
        constraints = [
            # A look-alike spelling (other capitals, full-width letters) is no second account: beside
            # `unique`, only the canonical form can be stored, whoever writes it.
            models.CheckConstraint(
                condition=Q(
                    email=Lower(Func(F("email"), function="NORMALIZE", template="%(function)s(%(expressions)s, NFKC)"))
                ),
                name="user_email_is_canonical",
            ),
            # Names of countries and "uk" look like codes and are none.
            models.CheckConstraint(condition=Q(country__regex=r"^([A-Z]{2})?$"), name="user_country_is_a_code"),
            # Who is suspended cannot sign in, and a suspension is never without its reason.
            models.CheckConstraint(
                condition=Q(suspended_at__isnull=True, suspension_reason="")
                | (Q(suspended_at__isnull=False, is_active=False) & ~Q(suspension_reason="")),
                name="user_suspension_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.email
