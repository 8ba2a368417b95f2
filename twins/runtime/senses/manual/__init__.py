"""Manual: a sense that people feed by hand, through reducers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twins.runtime.senses.kind import Supplied


class Manual:
    """Nothing to run."""

    runs = False

    def check(self, url: str, target: Mapping[str, str]) -> None:
        """Anything will do."""

    def run(self, url: str, target: Mapping[str, str], allow: Sequence[str]) -> Supplied:
        """Nothing comes by itself."""
        return {}
