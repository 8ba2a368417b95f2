"""Requests for grants and what became of them. The grant itself is a tuple in the target twin's store."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse

from portal.states import Lifecycle
from twins.models import Twin
from twins.runtime.ids import new_uuid7


class Grant(models.Model):
    """One ask of one reader for one slice of one target, and the record that both sides see."""

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        APPROVING = "approving", "Being approved"
        ACTIVE = "active", "Active"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"
        LAPSED = "lapsed", "Lapsed"
        EXPIRED = "expired", "Expired"
        REVOKED = "revoked", "Revoked"

    LIFECYCLE = Lifecycle(
        "grant",
        {
            "requested": {
                "take": "approving",
                "decline": "declined",
                "withdraw": "withdrawn",
                "lapse": "lapsed",
            },
            "approving": {"approve": "active", "put back": "requested", "decline": "declined"},
            "active": {"revoke": "revoked", "expire": "expired"},
            "declined": {},
            "withdrawn": {},
            "lapsed": {},
            "expired": {},
            "revoked": {},
        },
    )

    id = models.UUIDField(primary_key=True, default=new_uuid7, editable=False)
    target = models.ForeignKey(Twin, models.PROTECT, related_name="grants_given")
    reader = models.ForeignKey(Twin, models.PROTECT, related_name="grants_received")
    slice = models.SlugField(max_length=40)
    purpose = models.CharField(max_length=300)
    contact = models.CharField(max_length=120, blank=True)
    days = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=16, choices=State, default=State.REQUESTED)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    not_before = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-asked_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["target", "reader", "slice"],
                condition=models.Q(state__in=["requested", "approving", "active"]),
                name="one_open_grant",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reader} reads {self.slice} of {self.target}"

    def get_absolute_url(self) -> str:
        return reverse("grant", args=[self.pk])

    @property
    def grant_id(self) -> str:
        """The grant's id in the target twin."""
        return str(self.pk)


class GrantNote(models.Model):
    """One line of a grant's history, the same for both sides."""

    grant = models.ForeignKey(Grant, models.CASCADE, related_name="notes")
    at = models.DateTimeField(auto_now_add=True)
    who = models.CharField(max_length=80)
    text = models.CharField(max_length=400)

    class Meta:
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return self.text
