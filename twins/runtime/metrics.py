"""Metrics: counters that cost next to nothing to keep, and their text for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any

from twins.runtime.problems import Problem

BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SECONDS_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)


class Histogram:
    """Counts of observations up to each bound."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Metrics:
    """What a twin counts while it runs.

    Attributes:
        calls: by (reducer, outcome); outcomes are `ok` and the kinds of problems.
        batches: records in each group commit.
        seconds: from the first record of a batch to its being on disk.
        sent: live messages; `held` counts the commits that were merged for a slow reader instead.
    """

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], int] = {}
        self.batches = Histogram(BATCH_BOUNDS)
        self.seconds = Histogram(SECONDS_BOUNDS)
        self.sent = 0
        self.held = 0

    def called(self, reducer: str, outcome: object) -> None:
        """Count one call."""
        key = (reducer, outcome.kind if isinstance(outcome, Problem) else "ok")
        self.calls[key] = self.calls.get(key, 0) + 1


Labels = Mapping[str, str]
Samples = Iterable[tuple[Labels, float]]


def family(name: str, kind: str, text: str, samples: Samples) -> str:
    """One metric in Prometheus' text format 0.0.4."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def histogram(name: str, text: str, found: Histogram) -> str:
    """A histogram in the same format: cumulative buckets, sum and count."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} histogram"]
    total = 0
    for bound, count in zip([*found.bounds, "+Inf"], found.counts, strict=True):
        total += count
        lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
    lines += [f"{name}_sum {_number(found.sum)}", f"{name}_count {total}"]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: Any) -> str:
    return repr(value)
