"""Code that ran is moved, and does what it did."""

from __future__ import annotations

from collections.abc import Callable

from twins.host import dense


def counter(step: int) -> Callable[[], int]:
    total = 0

    def count() -> int:
        nonlocal total
        total += step
        return total

    return count


def never() -> int:
    return 1


def test_functions_that_ran_go_on_with_moved_code_and_the_others_stay() -> None:
    old, stays = counter.__code__, never.__code__
    with dense.watched() as ran:
        count = counter(2)
        count()
    moving = {key: code for key, code in ran.items() if code.co_filename == __file__}
    dense.gather(moving)
    assert counter.__code__ is not old
    assert never.__code__ is stays
    assert count() == 4
    # The inner function's code went along, in what runs and in what makes it.
    again = counter(3)
    assert (again(), again.__code__ is count.__code__) == (3, True)
