"""The directory and its workflow. Never a twin's memory: that is in the twin."""

from twins.models.claim import Claim, ClaimNote
from twins.models.desk import DeskEntry
from twins.models.operation import Operation
from twins.models.twin import Membership, Twin

__all__ = ["Claim", "ClaimNote", "DeskEntry", "Membership", "Operation", "Twin"]
