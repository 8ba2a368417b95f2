"""Zero window: no frame of a commit after a revocation leaves, whatever happens to the process."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from typing import Any

import aiohttp
import pytest

from tests.runtime.conftest import Make
from tests.runtime.machine import Machine, grant_args, person
from twins.runtime.client import KeySigner, TwinError, TwinUnreachable

KILLS = int(os.environ.get("MYCELIUM_REVOKE_KILLS", "3"))
TWINS = int(os.environ.get("MYCELIUM_CUT_TWINS", "2"))
STREAMS = int(os.environ.get("MYCELIUM_CUT_STREAMS", "40"))
ENDINGS = {
    "revoke": {"reason_code": "breach_suspected"},
    "suspend_grant": {"reason_code": "key_compromise"},
    "surrender_grant": {},
    "set_posture": {"posture": "locked"},
}


async def followed(
    machine: Machine, reader: KeySigner, ready: asyncio.Event, since: int | None
) -> dict[str, Any]:
    """Follow the catalogue until the twin ends it or is gone: the seqs of all frames, code and reason."""
    frames: list[int] = []
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(machine.socket))) as session:
        headers = {"Authorization": f"Bearer {reader.token(machine.id)}"}
        async with session.ws_connect("http://twin/v1/live", headers=headers) as ws:
            more = {} if since is None else {"from": since}
            await ws.send_json({"type": "subscribe", "id": "x", "slice": "catalogue", **more})
            async for message in ws:
                told = json.loads(message.data)
                if told["type"] == "problem":
                    ready.set()
                    return {"frames": frames, "problem": told["problem"]["type"]}
                if told["type"] == "applied":
                    ready.set()
                rows = [row["seq"] for part in ("rows", "insert", "update") for row in told.get(part, [])]
                if told["type"] != "hello":
                    frames += [told["seq"]] if "seq" in told else rows
            ready.set()
            return {"frames": frames, "code": ws.close_code, "at": time.monotonic()}


def write_until_gone(machine: Machine) -> None:
    for number in range(100_000):
        try:
            machine.mine.call("put", {"slice": "catalogue", "id": f"o{number % 7}", "body": {"n": number}})
        except (TwinUnreachable, TwinError):
            return


async def one_kill(machine: Machine, wait: float, ending: str) -> None:
    """End a grant under writes, kill the twin somewhere around that, and look at what the reader got."""
    reader, ready = person("twin"), asyncio.Event()
    given = (await asyncio.to_thread(machine.mine.call, "grant", grant_args(reader))).result["grant_id"]
    following = asyncio.create_task(followed(machine, reader, ready, None))
    writing = asyncio.create_task(asyncio.to_thread(write_until_gone, machine))
    await ready.wait()
    await asyncio.sleep(0.03)
    args = {**ENDINGS[ending], **({} if ending == "set_posture" else {"grant_id": given})}
    who = machine.client(reader) if ending == "surrender_grant" else machine.mine
    ended = asyncio.create_task(asyncio.to_thread(_tried, who, ending, args))
    await asyncio.sleep(wait)
    await asyncio.to_thread(machine.kill)
    acknowledged = await ended
    await writing
    before = await _got(following)
    await asyncio.to_thread(machine.start)
    after = await _got(asyncio.create_task(followed(machine, reader, asyncio.Event(), 0)), seconds=0.5)
    at = _ended_at(machine, ending)
    assert at is not None or acknowledged is None
    if at is not None:
        assert [seq for seq in before["frames"] if seq > at] == []
        assert after["frames"] == []
        assert after["problem"] != "/problems/grant-required"
    if ending == "set_posture":
        await asyncio.to_thread(machine.mine.call, "set_posture", {"posture": "open"})


async def _got(following: asyncio.Task[dict[str, Any]], seconds: float = 20.0) -> dict[str, Any]:
    """What came until the end; a stream that goes on is left."""
    try:
        async with asyncio.timeout(seconds):
            return await following
    except TimeoutError:
        return {"frames": [], "problem": "none"}
    except (aiohttp.ClientError, OSError):
        return {"frames": [], "problem": "gone"}


def _tried(client: Any, reducer: str, args: dict[str, Any]) -> int | None:
    try:
        seq: int = client.call(reducer, args).seq
        return seq
    except TwinUnreachable:
        return None


def _ended_at(machine: Machine, ending: str) -> int | None:
    query = {"order": "desc", "limit": 1000}
    for record in machine.mine.get("/v1/log", query)["records"]:
        if record["kind"] == "call" and record["reducer"] == "grant":
            return None
        if record["kind"] == "call" and record["reducer"] == ending:
            seq: int = record["seq"]
            return seq
    return None


@pytest.mark.parametrize("ending", list(ENDINGS))
def test_nothing_later_leaves_though_the_twin_is_killed(make: Make, ending: str) -> None:
    machine = make().start()
    random_ = random.Random(ending)
    for _ in range(KILLS):
        asyncio.run(one_kill(machine, random_.choice([0.0, 0.002, 0.01, 0.05]), ending))


def test_many_streams_of_many_twins_are_cut_and_none_gets_a_later_frame(make: Make) -> None:
    machines = [make().start() for _ in range(TWINS)]
    late, seconds = asyncio.run(cut_all(machines, max(1, STREAMS // TWINS)))
    seconds.sort()
    middle, most = seconds[len(seconds) // 2], seconds[-1]
    shown = f"half closed in {middle * 1e3:.1f} ms, all in {most * 1e3:.1f} ms"
    print(f"{len(seconds)} streams of {TWINS} twins: {shown}")
    assert late == []
    assert len(seconds) == max(1, STREAMS // TWINS) * TWINS


async def cut_all(machines: list[Machine], each: int) -> tuple[list[int], list[float]]:
    """Follow every twin with some readers, write, revoke: the late frames, and how long closing took."""
    found = await asyncio.gather(*(cut_one(machine, each) for machine in machines))
    return [seq for late, _ in found for seq in late], [one for _, seconds in found for one in seconds]


async def cut_one(machine: Machine, each: int) -> tuple[list[int], list[float]]:
    readers = [(person("twin"), asyncio.Event()) for _ in range(each)]
    given: list[str] = []
    following: list[asyncio.Task[dict[str, Any]]] = []
    for reader, ready in readers:
        done = await asyncio.to_thread(machine.mine.call, "grant", grant_args(reader))
        given.append(done.result["grant_id"])
        following.append(asyncio.create_task(followed(machine, reader, ready, None)))
    await asyncio.gather(*(ready.wait() for _, ready in readers))
    writing = asyncio.create_task(asyncio.to_thread(_write_some, machine))
    late: list[int] = []
    seconds: list[float] = []
    for grant_id, task in zip(given, following, strict=True):
        began, seq = await asyncio.to_thread(_revoked, machine, grant_id)
        seen = await task
        assert seen["code"] == 4403
        late += [one for one in seen["frames"] if one > seq]
        seconds.append(seen["at"] - began)
    await writing
    return late, seconds


def _revoked(machine: Machine, grant_id: str) -> tuple[float, int]:
    """When the revocation was sent, and its record."""
    began = time.monotonic()
    return began, machine.mine.call("revoke", {"grant_id": grant_id}).seq


def _write_some(machine: Machine) -> None:
    for number in range(100):
        machine.mine.call("put", {"slice": "catalogue", "id": f"o{number % 7}", "body": {"n": number}})
