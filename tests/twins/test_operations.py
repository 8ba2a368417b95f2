from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from twins import tasks
from twins.models import Operation
from twins.operations import driver
from twins.operations.driver import GiveUp, Kind, Step


class Saga:
    """Three steps that note what they did; ``trouble`` makes one of them raise."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.trouble: dict[str, Exception] = {}
        self.failures: list[str] = []

    def step(self, name: str) -> Step:
        def do(args: dict[str, Any]) -> str:
            if error := self.trouble.get(name):
                raise error
            self.done.append(name)
            return f"{name} of {args['what']}"

        return Step(name, name.capitalize(), do)

    def failed(self, args: dict[str, Any], error: str) -> None:
        self.failures.append(error)


@pytest.fixture
def saga(db: None) -> Iterator[Saga]:
    saga = Saga()
    driver.register(
        Kind("saga", tuple(saga.step(name) for name in ("one", "two", "three")), failed=saga.failed)
    )
    yield saga
    del driver.KINDS["saga"]


def begin(key: str = "k") -> Operation:
    return driver.begin("saga", key, {"what": "it"})


def test_the_steps_are_done_in_order_and_their_words_kept(saga: Saga) -> None:
    operation = begin()
    driver.run(operation.pk)
    operation.refresh_from_db()
    assert saga.done == ["one", "two", "three"]
    assert operation.state == "done"
    assert [step["text"] for step in driver.steps_of(operation)] == ["one of it", "two of it", "three of it"]


def test_asking_twice_is_one_operation(saga: Saga) -> None:
    assert begin().pk == begin().pk


def test_a_finished_operation_is_not_done_again(saga: Saga) -> None:
    operation = begin()
    driver.run(operation.pk)
    driver.run(operation.pk)
    assert saga.done == ["one", "two", "three"]


def test_trouble_is_tried_again_from_the_step_that_failed(saga: Saga) -> None:
    operation = begin()
    saga.trouble["two"] = TimeoutError("no answer")
    driver.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.step) == ("running", 1)
    assert "no answer" in operation.error
    saga.trouble.clear()
    Operation.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert driver.due() == [operation.pk]
    driver.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == "done"
    assert saga.done == ["one", "two", "three"]


def test_an_operation_that_somebody_works_on_is_left_alone(saga: Saga) -> None:
    operation = begin()
    Operation.objects.update(
        state="running", lease_by="other", lease_until=timezone.now() + timedelta(seconds=9)
    )
    driver.run(operation.pk)
    assert saga.done == []
    assert driver.due() == []


def test_a_worker_that_lost_its_lease_writes_nothing_more(saga: Saga) -> None:
    operation = begin()

    def steal(args: dict[str, Any]) -> str:
        Operation.objects.update(lease_by="other")
        return "too late"

    driver.register(Kind("saga", (Step("one", "One", steal), saga.step("two")), failed=saga.failed))
    driver.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.step, operation.lease_by, saga.done) == (0, "other", [])


def test_giving_up_tells_the_kind_and_can_be_retried(saga: Saga) -> None:
    operation = begin()
    saga.trouble["three"] = GiveUp("refused for good")
    driver.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == "failed"
    assert saga.failures == ["refused for good"]
    assert [step["state"] for step in driver.steps_of(operation)] == ["done", "done", "bad"]
    saga.trouble.clear()
    driver.retry(operation)
    driver.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == "done"
    assert saga.done == ["one", "two", "three"]


def test_trouble_without_end_fails_in_the_end(saga: Saga) -> None:
    operation = begin()
    saga.trouble["one"] = ConnectionError("never")
    for _ in range(driver.ATTEMPTS):
        Operation.objects.update(lease_until=None)
        driver.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == "failed"
    assert saga.failures == ["ConnectionError: never"]


def test_the_sweep_puts_a_forgotten_operation_before_a_worker(
    saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = begin()
    Operation.objects.update(updated=timezone.now() - timedelta(seconds=5))
    nudged: list[object] = []
    monkeypatch.setattr(driver, "enqueue", nudged.append)
    tasks.sweep()
    assert nudged == [operation.pk]
