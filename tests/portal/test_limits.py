from __future__ import annotations

import pytest
from django.test import RequestFactory, override_settings

from portal import limits


@pytest.mark.parametrize(
    ("peer", "forwarded", "behind_edge", "address"),
    [
        ("203.0.113.9", "", False, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", False, "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1", True, "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", True, "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "", False, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:9:9:9:9", "", False, "2001:db8:1:2::/64"),
    ],
)
def test_one_customer_is_one_address(peer: str, forwarded: str, behind_edge: bool, address: str) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)
    with override_settings(BEHIND_EDGE=behind_edge):
        assert limits.address_of(request) == address


def test_a_limit_counts_for_each_key_alone() -> None:
    for _ in range(3):
        limits.take("test", "one", most=3, window=3600)
    limits.take("test", "two", most=3, window=3600)
    with pytest.raises(limits.TooMany) as wait:
        limits.take("test", "one", most=3, window=3600)
    assert 0 < wait.value.seconds <= 3600


def test_a_flood_of_other_keys_does_not_make_a_limit_forget() -> None:
    limits.take("test", "one", most=1, window=3600)
    for number in range(1000):
        limits.take("test", f"other {number}", most=1, window=3600)
    with pytest.raises(limits.TooMany):
        limits.take("test", "one", most=1, window=3600)
