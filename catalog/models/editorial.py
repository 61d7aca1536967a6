"""How editors work on a title: its saved versions, reviews of what should become public, locks, what is due later.

None of these tables says what a viewer sees: that are the title's own tables and its state. They say
who wants it changed, who agreed, and what it was before.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from catalog.models.titles import Title


class Revision(models.Model):
    """What editors may change of a title, as it stood at one of its revisions. Rows are never changed.

    Every save of an editor leaves one, and so does a delivery that changes a published title; a first
    import leaves none. Before a title's first change it is kept as it was, by nobody.
    """

    title = models.ForeignKey(Title, models.CASCADE, related_name="revisions", db_index=False)
    number = models.PositiveIntegerField(help_text=_("The title's revision."))
    snapshot = models.JSONField(help_text="Fields, and rows by part, as selectors.revisions makes it.")
    at = models.DateTimeField()
    by = models.CharField(max_length=100, blank=True, help_text="user:<id>, provider:<code>; empty: as it was before.")
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            # Two versions under one number: which of them is reverted to?
            models.UniqueConstraint(fields=["title", "number"], name="revision_once"),
        ]

    def __str__(self) -> str:
        return f"Revision {self.number}"


class Review(models.Model):
    """Somebody asks that a draft become public, or that a change of a public title take effect.

    `fields` and `parts` are the change that is asked for, as `editing.edit` takes them; both empty for a
    draft, which is itself what is asked for. `before` is what these were when it was asked.
    """

    class State(models.TextChoices):
        IN_PROGRESS = "in_progress", _("To review")
        APPROVED = "approved", _("Approved")
        NEEDS_CHANGES = "needs_changes", _("Needs changes")
        CANCELLED = "cancelled", _("Cancelled")

    title = models.ForeignKey(Title, models.CASCADE, related_name="reviews", db_index=False)
    state = models.CharField(max_length=13, choices=State, default=State.IN_PROGRESS)
    fields = models.JSONField(default=dict, blank=True)
    parts = models.JSONField(default=dict, blank=True)
    before = models.JSONField(default=dict, blank=True)
    note = models.CharField(max_length=1000, blank=True, help_text=_("What the reviewer should know."))
    requested_by = models.CharField(max_length=100, help_text="user:<id>.")
    requested_at = models.DateTimeField()
    comment = models.CharField(max_length=1000, blank=True, help_text=_("What the reviewer says."))
    decided_by = models.CharField(max_length=100, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # Two open reviews of one title would be approved one over the other.
            models.UniqueConstraint(fields=["title"], name="review_one_open", condition=Q(state="in_progress")),
            # A decision of nobody could not be asked about.
            models.CheckConstraint(
                name="review_decided_by_somebody",
                condition=Q(state="in_progress", decided_at__isnull=True, decided_by="")
                | Q(~Q(state="in_progress"), ~Q(decided_by=""), decided_at__isnull=False),
            ),
            # The eyes that approve are other eyes than those that ask.
            models.CheckConstraint(
                name="review_by_another", condition=~Q(state="approved") | ~Q(decided_by=F("requested_by"))
            ),
        ]
        indexes = [
            # The history on a title's page, newest first.
            models.Index("title", F("id").desc(), name="review_history"),
            # The reviewers' queue, oldest first.
            models.Index("requested_at", "id", name="review_queue", condition=Q(state="in_progress")),
        ]

    def __str__(self) -> str:
        return f"{self.get_state_display()}: {self.title}"


class EditLock(models.Model):
    """One editor keeps a title from all others, until they release it or somebody who may publish breaks it."""

    title = models.OneToOneField(Title, models.CASCADE, primary_key=True, related_name="edit_lock")
    by = models.CharField(max_length=100, help_text="user:<id>.")
    at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"Locked by {self.by}"


CALLED_OFF = "Called off by "


class ScheduledActQuerySet(models.QuerySet["ScheduledAct"]):
    def pending(self) -> Self:
        """What has not been done, refused or called off."""
        return self.filter(state=ScheduledAct.State.PENDING)

    def due(self, now: datetime) -> Self:
        """What should have been done by `now`, oldest first; what went wrong before, once it is to be tried again."""
        waited = Q(retry_at__isnull=True) | Q(retry_at__lte=now)
        return self.pending().filter(waited, at__lte=now).order_by("at", "pk")


class ScheduledAct(models.Model):
    """A title is to be published, or withdrawn, at an instant. Rows stay as the record of what was planned."""

    class Action(models.TextChoices):
        PUBLISH = "publish", _("Publish")
        WITHDRAW = "withdraw", _("Withdraw")

    class State(models.TextChoices):
        PENDING = "pending", _("Planned")
        DONE = "done", _("Done")
        REFUSED = "refused", _("Refused")
        CANCELLED = "cancelled", _("Called off")

    title = models.ForeignKey(Title, models.CASCADE, related_name="scheduled_acts")
    action = models.CharField(max_length=8, choices=Action)
    at = models.DateTimeField(help_text=_("UTC."))
    by = models.CharField(max_length=100, help_text="user:<id>.")
    reason = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    outcome = models.CharField(max_length=500, blank=True, help_text=_("Why it was refused, or has not been done yet."))
    attempts = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often something went wrong that was no refusal."
    )
    retry_at = models.DateTimeField(null=True, blank=True, help_text="Not before; null: nothing went wrong yet.")
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = ScheduledActQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two instants for one act: which of them holds?
            models.UniqueConstraint(fields=["title", "action"], name="scheduled_once", condition=Q(state="pending")),
            models.CheckConstraint(
                name="scheduled_settled_has_instant",
                condition=Q(state="pending", settled_at__isnull=True)
                | Q(~Q(state="pending"), settled_at__isnull=False),
            ),
            # What went wrong without an instant for another attempt would be tried at once, again and again.
            models.CheckConstraint(
                name="scheduled_tried_again",
                condition=Q(attempts=0, retry_at__isnull=True) | Q(attempts__gt=0, retry_at__isnull=False),
            ),
        ]
        indexes = [
            # What is due, every minute.
            models.Index("at", "id", name="scheduled_due", condition=Q(state="pending")),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} at {self.at:%Y-%m-%d %H:%M} UTC"

    @property
    def called_off_by(self) -> str:
        """Who called it off; empty if nobody did."""
        return self.outcome.removeprefix(CALLED_OFF) if self.state == ScheduledAct.State.CANCELLED else ""
