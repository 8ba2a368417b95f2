"""Resume: a reader with 100,000 objects that missed 10 commits, against one that fetches everything again."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import aiohttp

from tests.bench.served import Served, served
from tests.bench.sheet import Goal, Sheet
from twins.runtime.bench import BODY

OBJECTS, MISSED, AT_ONCE = 100_000, 10, 5000
FULL, AGAIN = "everything", f"{MISSED} missed commits"
GOALS = [
    Goal(f"{FULL}: bytes", f"{AGAIN}: bytes", at_least=100),
    Goal(f"{FULL}: time", f"{AGAIN}: time", at_least=10),
]


def run(sheet: Sheet, folder: Path, runs: int) -> None:
    """Both in each round, on one twin."""
    with served(folder / "twin") as twin:
        asyncio.run(_run(sheet, twin, runs))


async def _run(sheet: Sheet, twin: Served, runs: int) -> None:
    headers = {"Authorization": f"Bearer {twin.token()}"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{twin.port}", headers=headers) as session:
        for start in range(0, OBJECTS, AT_ONCE):
            objects = [{"id": f"object-{n}", "body": BODY} for n in range(start, start + AT_ONCE)]
            await _call(session, "put_many", {"slice": "catalogue", "objects": objects})
        for _ in range(runs):
            size, taken, seq = await _follow(session, {})
            sheet.add(f"{FULL}: bytes", "bytes", size)
            sheet.add(f"{FULL}: time", "ms", taken)
            for number in range(MISSED):
                await _call(session, "put", {"slice": "catalogue", "id": f"object-{number}", "body": BODY})
            size, taken, _ = await _follow(session, {"from": seq})
            sheet.add(f"{AGAIN}: bytes", "bytes", size)
            sheet.add(f"{AGAIN}: time", "ms", taken)


async def _call(session: aiohttp.ClientSession, reducer: str, args: object) -> None:
    async with session.post(f"/v1/call/{reducer}", json=args) as response:
        response.raise_for_status()


async def _follow(session: aiohttp.ClientSession, more: dict[str, int]) -> tuple[int, float, int]:
    """Bytes and milliseconds until the slice is there as it is now, and its seq."""
    started, size = time.perf_counter(), 0
    async with session.ws_connect("/v1/live", max_msg_size=0) as ws:
        await ws.send_json({"type": "subscribe", "id": "s", "slice": "catalogue", **more})
        async for message in ws:
            size += len(message.data)
            if message.data.startswith('{"epoch"') or '"applied"' in message.data[-200:]:
                told = json.loads(message.data)
                if told["type"] == "applied":
                    return size, 1000 * (time.perf_counter() - started), int(told["seq"])
    raise RuntimeError("the twin closed the connection")
