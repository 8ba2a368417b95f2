"""What can be wrong with a log that is read."""

from __future__ import annotations


class LogMissing(Exception):
    """There is no commitlog, so no twin, in this directory."""


class LogDamaged(Exception):
    """Bytes that were once whole are not what was written, or are in the wrong place."""

    def __init__(self, seq: int, segment: str, offset: int, reason: str) -> None:
        super().__init__(f"record {seq} at byte {offset} of {segment}: {reason}")
        self.seq = seq
        self.segment = segment
        self.offset = offset
        self.reason = reason

    def to_json(self) -> dict[str, str | int]:
        """`{"record", "segment", "offset", "reason"}`."""
        return {"record": self.seq, "segment": self.segment, "offset": self.offset, "reason": self.reason}
