"""The arguments' types: what may stand where, checked before any reducer runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from twins.runtime.ids import ULID_PATTERN
from twins.runtime.query.declaration import MOST_INDEXES, WIDEST, Index

SliceName = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9_-]{0,39}\Z")]
SenseName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,40}\Z")]
ObjectId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9_.:@+~=,()-]{0,199}\Z")]
GrantId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
UserId = Annotated[str, Meta(pattern=rf"\Auser:{ULID_PATTERN}\Z")]
CuratorId = Annotated[str, Meta(pattern=rf"\A(user|agent):{ULID_PATTERN}\Z")]
TwinId = Annotated[str, Meta(pattern=rf"\Atwin:{ULID_PATTERN}\Z")]
PublicKey = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=1000)]
Url = Annotated[str, Meta(max_length=2000)]
Seconds = Annotated[int, Meta(ge=0, le=31_536_000)]
Role = Literal["owner", "admin", "auditor"]
Sensitivity = Literal["public", "internal", "confidential"]
Verb = Literal["read", "subscribe", "aggregate"]
Verbs = Annotated[list[Verb], Meta(min_length=1, max_length=3)]
Fields = Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=50)]
Where = dict[str, Any]
# The names are those of W3C's Data Privacy Vocabulary (DPV), as far as it has one.
PurposeCode = Literal[
    "ServiceProvision",
    "FulfilmentOfObligation",
    "LegalCompliance",
    "VendorManagement",
    "RecordManagement",
    "ResearchAndDevelopment",
    "FraudPreventionAndDetection",
    "EnforceSecurity",
    "ServiceOptimisation",
    "Marketing",
    "Other",
]
ReasonCode = Literal[
    "not_needed",
    "purpose_unclear",
    "scope_too_wide",
    "duplicate",
    "contract_ended",
    "breach_suspected",
    "key_compromise",
    "legal_order",
    "claim_review",
    "unconfirmed",
    "data_withdrawn",
    "owner_choice",
    "grantee_choice",
    "timed_out",
    "superseded",
]
Posture = Literal["open", "approvals", "locked"]
Hash = Annotated[str, Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")]
Reason = Annotated[str, Meta(min_length=1, max_length=1000)]
Body = dict[str, Any]
Indexes = Annotated[list[Index], Meta(max_length=MOST_INDEXES)]
QueryBudget = Annotated[int, Meta(ge=1, le=100 * WIDEST)]


class Object(msgspec.Struct, forbid_unknown_fields=True):
    """One object of a slice."""

    id: ObjectId
    body: Body


class Key(msgspec.Struct, forbid_unknown_fields=True):
    """Somebody's name and public key (`x` of an Ed25519 JWK)."""

    name: Name
    key: PublicKey


class Slice(msgspec.Struct, forbid_unknown_fields=True):
    """A slice as it is declared.

    Attributes:
        schema: JSON Schema 2020-12 of the objects' bodies.
        indexes: members by which objects are found and ordered.
        budget: how many objects one query may look at.
    """

    name: SliceName
    title: Name
    kind: SliceName
    listed: bool = True
    sensitivity: Sensitivity = "internal"
    schema: dict[str, Any] | None = None
    indexes: Indexes = []
    budget: QueryBudget = WIDEST


class Sense(msgspec.Struct, forbid_unknown_fields=True):
    """A sense as it is set; `every` is in seconds, 0 runs only when asked."""

    name: SenseName
    kind: str
    title: Name
    url: Url = ""
    target: dict[SliceName, Name] = {}
    every: Seconds = 3600
