"""The directory's entry of a twin: its name, its lineage and where it is placed."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse

from portal.states import Lifecycle
from twins.runtime.ids import new_uuid7, ulid_of


class Twin(models.Model):
    """One entity's twin. Lineage (``parent``, ``path``) serves breadcrumbs and facets, without any power."""

    class Kind(models.TextChoices):
        ROOT = "root", "Root"
        ORGANISATION = "organisation", "Organisation"
        REGISTRY = "registry", "Registry"
        MANUFACTURER = "manufacturer", "Manufacturer"
        LEDGER = "ledger", "Ledger"

    class State(models.TextChoices):
        PROVISIONING = "provisioning", "Being set up"
        VIRTUAL = "virtual", "Virtual"
        CLAIMED = "claimed", "Claimed"
        FAILED = "failed", "Set-up failed"

    LIFECYCLE = Lifecycle(
        "twin",
        {
            "provisioning": {"keep": "virtual", "own": "claimed", "fail": "failed"},
            "failed": {"retry": "provisioning"},
            "virtual": {"hand over": "claimed"},
            "claimed": {},
        },
    )

    id = models.UUIDField(primary_key=True, default=new_uuid7, editable=False)
    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    summary = models.CharField(max_length=300, blank=True)
    kind = models.CharField(max_length=16, choices=Kind)
    state = models.CharField(max_length=16, choices=State, default=State.PROVISIONING)
    tier = models.CharField(max_length=16, default="shared")
    region = models.CharField(max_length=40, default="this machine")
    place = models.CharField(max_length=80, blank=True)
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    path = models.TextField(editable=False)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["path"], name="twin_path")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("twin", args=[self.slug])

    @property
    def ulid(self) -> str:
        """The twin's id as its own store spells it."""
        return ulid_of(self.id)

    @property
    def subject(self) -> str:
        """The twin's name as a reader in another twin's store: ``twin:<ULID>``."""
        return f"twin:{self.ulid}"

    @property
    def is_claimable(self) -> bool:
        """Whether its entity may claim it; the ledger is nobody's."""
        return self.state == self.State.VIRTUAL and self.kind != self.Kind.LEDGER


class Membership(models.Model):
    """Who finds a twin under "My twins". An index for pages: the twin's own tuples decide every act."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    twin = models.ForeignKey(Twin, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "twin", "role"], name="one_membership"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.twin}"
