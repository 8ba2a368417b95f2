"""What a served twin counts, whom it tells to wait, and whom it still answers at its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine, grant_args, person
from tests.runtime.served import Served, on_uvloop, served
from twins.runtime.client import TwinError, TwinUnreachable

both = pytest.mark.parametrize("wire", ["fast", "aiohttp"])


@both
@on_uvloop
async def test_metrics_count_what_happened_for_whoever_may_read_the_audit(wire: str) -> None:
    async with served(wire) as twin:
        seq = (await twin.put("a", n=1))["seq"]
        async with twin.session.get("http://twin/metrics") as stranger:
            assert stranger.status == 401
        async with twin.session.get("http://twin/metrics", headers=twin.headers) as answer:
            lines = (await answer.text()).splitlines()
    told = {name: value for name, _, value in (line.rpartition(" ") for line in lines)}
    assert told['mycelium_calls_total{reducer="put",outcome="ok"}'] == "1"
    assert told['mycelium_slice_objects{slice="catalogue"}'] == "1"
    assert told["mycelium_durable_seq"] == str(seq)
    # Every record but the genesis, also what the start wrote.
    assert int(float(told["mycelium_commit_batch_records_sum"])) == seq - 1


@both
@on_uvloop
async def test_a_caller_refused_too_often_is_told_to_wait_and_recorded_in_one_record(wire: str) -> None:
    async with served(wire) as twin:
        reader = person("twin")
        await twin.call("grant", **grant_args(reader))
        headers = {"Authorization": f"Bearer {reader.token(twin.machine.id)}"}
        statuses: list[int] = []
        while statuses.count(429) < 20:
            url = "http://twin/v1/call/put"
            async with twin.session.post(
                url, json={"slice": "margins", "id": "a", "body": {}}, headers=headers
            ) as no:
                statuses.append(no.status)
                assert no.status == 403 or no.headers["Retry-After"] == "1"
        assert statuses[:200] == [403] * 200
        assert (await twin.put("a"))["seq"] == twin.twin.log.seq
        twin.twin.refusals.settle()
        newest = await recorded(twin)
        assert (newest["kind"], newest["caller"]) == ("denied", reader.subject)
        assert newest["args"] == {"suppressed": statuses.count(429)}


async def recorded(twin: Served) -> dict[str, Any]:
    """The newest record."""
    url = "http://twin/v1/log?order=desc&limit=1"
    async with twin.session.get(url, headers=twin.headers) as answer:
        newest: dict[str, Any] = (await answer.json())["records"][0]
        return newest


@pytest.mark.parametrize("wire", ["fast", "aiohttp"])
@on_uvloop
async def test_a_twin_told_to_end_answers_everybody_whom_it_let_in(make: Make, wire: str) -> None:
    machine = make().start("--wire", wire)
    acknowledged: set[str] = set()
    lost: list[str] = []

    def write(id_: str) -> None:
        try:
            machine.mine.call("put", {"slice": "catalogue", "id": id_, "body": {}})
            acknowledged.add(id_)
        except TwinUnreachable as error:
            # Nobody listens any more: the call was never taken in.
            if "No such file" not in str(error) and "refused" not in str(error):
                lost.append(f"{id_}: {error}")

    async def hammer(who: int) -> None:
        for n in range(15):
            await asyncio.to_thread(write, f"o{who}-{n}")

    writing = [asyncio.create_task(hammer(who)) for who in range(6)]
    await asyncio.sleep(0.15)
    assert await asyncio.to_thread(machine.stop) == 0
    await asyncio.gather(*writing)
    assert lost == []
    assert acknowledged
    again: Machine = await asyncio.to_thread(machine.start)
    page = again.mine.objects("catalogue", limit=1000)["objects"]
    assert acknowledged <= {row["id"] for row in page}
    with pytest.raises(TwinError):
        again.mine.object("catalogue", "never")
