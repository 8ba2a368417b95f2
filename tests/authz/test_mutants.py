"""The planted bugs, as the long form of the tests: MYCELIUM_LONG=1."""

from __future__ import annotations

import os

import pytest

from tests.authz import mutants


@pytest.mark.skipif(not os.environ.get("MYCELIUM_LONG"), reason="did not run: set MYCELIUM_LONG=1")
def test_every_planted_bug_is_noticed() -> None:
    assert mutants.main([]) == 0
