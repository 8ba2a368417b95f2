"""A person's claim to the twin of the entity that they act for."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse

from portal.states import Lifecycle
from twins.models.operation import Operation
from twins.models.twin import Twin
from twins.runtime.ids import new_uuid7


class Claim(models.Model):
    """From the first click to the handover. The token stays the same until the claim ends."""

    class State(models.TextChoices):
        OPEN = "open", "Waiting for proof"
        REVIEW = "review", "Waiting for a curator"
        MORE = "more", "The curator asks for more"
        HANDOVER = "handover", "Being handed over"
        CLAIMED = "claimed", "Claimed"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"
        EXPIRED = "expired", "Expired"

    LIFECYCLE = Lifecycle(
        "claim",
        {
            "open": {"prove": "review", "withdraw": "withdrawn", "expire": "expired", "lose": "declined"},
            "review": {
                "approve": "handover",
                "decline": "declined",
                "ask": "more",
                "withdraw": "withdrawn",
                "lose": "declined",
            },
            "more": {"answer": "review", "withdraw": "withdrawn", "expire": "expired", "lose": "declined"},
            "handover": {"complete": "claimed", "return": "review", "lose": "declined"},
            "claimed": {},
            "declined": {},
            "withdrawn": {},
            "expired": {},
        },
    )

    class ProofState(models.TextChoices):
        WAITING = "waiting", "not found yet"
        PASSED = "passed", "found"
        FAILED = "failed", "does not fit"

    id = models.UUIDField(primary_key=True, default=new_uuid7, editable=False)
    twin = models.ForeignKey(Twin, models.PROTECT, related_name="claims")
    claimant = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="claims")
    role = models.CharField(max_length=80)
    statement = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    proof = models.CharField(max_length=32)
    domain = models.CharField(max_length=255)
    token = models.CharField(max_length=64)
    proof_state = models.CharField(max_length=16, choices=ProofState, default=ProofState.WAITING)
    found = models.CharField(max_length=300, blank=True)
    message = models.CharField(max_length=300, blank=True)
    checked_at = models.DateTimeField(null=True)
    created = models.DateTimeField(auto_now_add=True)
    deadline = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=80, blank=True)
    note = models.CharField(max_length=500, blank=True)
    operation = models.ForeignKey(Operation, models.PROTECT, null=True, related_name="claims")

    class Meta:
        ordering: ClassVar[list[str]] = ["created"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["twin", "claimant"],
                condition=models.Q(state__in=["open", "review", "more", "handover"]),
                name="one_open_claim",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.claimant} claims {self.twin}"

    def get_absolute_url(self) -> str:
        return reverse("claim", args=[self.pk])

    @property
    def is_open(self) -> bool:
        return self.state in self.LIFECYCLE.open


class ClaimNote(models.Model):
    """One line of a claim's timeline: what happened, or what one side wrote to the other."""

    claim = models.ForeignKey(Claim, models.CASCADE, related_name="notes")
    at = models.DateTimeField(auto_now_add=True)
    who = models.CharField(max_length=80)
    text = models.CharField(max_length=600)

    class Meta:
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return self.text
