"""Grants: one slice, one reader, one window, and every way in which they begin, change and end."""

from __future__ import annotations

from twins.runtime.module import Reducer
from twins.runtime.modules.twin.grants import (
    giving,
    glass,
    held,
    inheritance,
    offers,
    policy,
    requests,
    turns,
)

REDUCERS: tuple[Reducer, ...] = (
    giving.grant,
    giving.renew_grant,
    giving.revoke,
    giving.suspend_grant,
    giving.resume_grant,
    giving.surrender_grant,
    requests.request_grant,
    requests.counter_grant,
    requests.approve_grant,
    requests.deny_grant,
    requests.withdraw_grant,
    offers.offer_grant,
    offers.accept_grant,
    offers.decline_grant,
    inheritance.confirm_grant,
    inheritance.review_inherited,
    glass.break_glass,
    glass.review_grant,
    policy.set_approval_policy,
    policy.set_posture,
    turns.expire_grants,
    held.pin_target,
    held.note_grant,
)
