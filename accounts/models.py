"""Accounts, their profiles, the profile each sign-in acts as, and mail on its way.

A user is an account: the household that signs up, pays and owns profiles. Staff are users too, and
their rights come from groups. Sessions, second factors and addresses under verification are
django-allauth's tables. What joins a profile to a title belongs to the apps above.
"""

from __future__ import annotations

from datetime import datetime
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


class ProfileQuerySet(models.QuerySet["Profile"]):
    """Questions about profiles."""

    def locked(self) -> Self:
        """Lock these profiles until the transaction ends; the account's lock comes first."""
        return self.order_by("pk").select_for_update(of=("self",))

    def of_account(self, account: User) -> Self:
        """The profiles of one household."""
        return self.filter(account=account)

    def adults(self) -> Self:
        """Profiles of those who answer for the account."""
        return self.filter(is_kids=False)


class Profile(models.Model):
    """One person of a household. What is personal (history, lists, taste) hangs on a profile's id."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(User, on_delete=models.CASCADE, related_name="profiles")
    name = models.CharField(max_length=rules.NAME_LENGTH)
    avatar = models.SlugField(max_length=40, default="default", db_index=False)
    """The key of a picture that clients have; never an address."""
    language = models.CharField(max_length=12)
    """BCP 47: what this person reads and hears first."""
    is_kids = models.BooleanField(default=False)
    highest_age = models.PositiveSmallIntegerField(default=rules.HIGHEST_AGE)
    """The highest minimum age, in years, of what may be watched; 18 is everything."""
    allows_unrated = models.BooleanField(default=True)
    """Whether titles without a rating may be watched."""
    autoplay = models.BooleanField(default=True)
    """Whether the next episode starts by itself."""
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = ProfileQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two taps on "create" make one profile; also serves the list of an account's profiles.
            models.UniqueConstraint("account", Lower("name"), name="profile_name_unique_in_account"),
            # No profile without a name on the screen that asks who is watching.
            models.CheckConstraint(condition=~Q(name=""), name="profile_has_a_name"),
            models.CheckConstraint(
                condition=Q(highest_age__lte=rules.HIGHEST_AGE), name="profile_highest_age_is_an_age"
            ),
            # A kids profile never shows what is meant for grown-ups, whoever changes its limits.
            models.CheckConstraint(
                condition=Q(is_kids=False) | Q(highest_age__lte=rules.KIDS_HIGHEST_AGE, allows_unrated=False),
                name="profile_kids_limits",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SessionProfile(models.Model):
    """The profile that a sign-in acts as. No row: none chosen yet.

    It ends with its session and with its profile, so neither can outlive the other.
    """

    session = models.OneToOneField(
        "usersessions.UserSession", on_delete=models.CASCADE, primary_key=True, related_name="entered"
    )
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="sessions")
    entered_at = models.DateTimeField()


class OutgoingEmailQuerySet(models.QuerySet["OutgoingEmail"]):
    """Questions about mail."""

    def due(self, now: datetime) -> Self:
        """Unsent mail whose next attempt has come."""
        return self.filter(sent_at__isnull=True, given_up_at__isnull=True, next_attempt_at__lte=now)


class OutgoingEmail(models.Model):
    """One mail to one address: the intent to send it, and what became of it.

    Rendered when it is sent. `context` may hold a one-time code until then, and is emptied once the
    mail is sent or given up: the row never outlives the secret's use.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    template = models.CharField(max_length=100)
    """Prefix of the templates: `<prefix>_subject.txt`, `_message.txt`, `_message.html`."""
    address = models.EmailField(db_index=True)
    language = models.CharField(max_length=12)
    context = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    """Also the lease of who is sending it now."""
    useful_until = models.DateTimeField()
    """After this it is not worth sending: a code has run out."""
    last_error = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)

    objects = OutgoingEmailQuerySet.as_manager()

    class Meta:
        constraints = [
            # A mail is sent or given up, not both, and then keeps no code.
            models.CheckConstraint(
                condition=Q(sent_at__isnull=True, given_up_at__isnull=True)
                | (Q(context={}) & (Q(sent_at__isnull=True) | Q(given_up_at__isnull=True))),
                name="outgoing_email_ends_once",
            ),
        ]
        indexes = [
            # The minute's sweep for mail whose message to a worker was lost.
            models.Index(
                fields=["next_attempt_at"],
                name="outgoing_email_due",
                condition=Q(sent_at__isnull=True, given_up_at__isnull=True),
            ),
            # The daily purge.
            models.Index(fields=["created_at"], name="outgoing_email_created"),
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.address}"
