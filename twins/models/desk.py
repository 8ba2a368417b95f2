"""The curators' log: append-only, one entry per act at the desk."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class DeskEntry(models.Model):
    """Who did what to which object, why, and what it was before."""

    at = models.DateTimeField(auto_now_add=True)
    curator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    verb = models.CharField(max_length=32)
    object = models.CharField(max_length=200)
    reason = models.CharField(max_length=600)
    before = models.CharField(max_length=120)
    after = models.CharField(max_length=120)

    class Meta:
        ordering: ClassVar[list[str]] = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.curator} {self.verb} {self.object}"
