"""The embedded channel layer under threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from portal.layers import LocalChannelLayer


@pytest.mark.asyncio
async def test_a_message_from_another_thread_wakes_the_waiting_page() -> None:
    layer = LocalChannelLayer()
    layer.bind(asyncio.get_running_loop())
    channel = await layer.new_channel()
    await layer.group_add("desk", channel)

    def send() -> None:
        asyncio.run(layer.group_send("desk", {"type": "changed", "by": "worker"}))
        asyncio.run(layer.send(channel, {"type": "changed", "by": "task"}))

    waiting = asyncio.ensure_future(layer.receive(channel))
    await asyncio.sleep(0)
    sender = threading.Thread(target=send)
    sender.start()
    assert (await asyncio.wait_for(waiting, 10))["by"] == "worker"
    assert (await asyncio.wait_for(layer.receive(channel), 10))["by"] == "task"
    await asyncio.to_thread(sender.join)


@pytest.mark.asyncio
async def test_many_threads_lose_no_message() -> None:
    layer = LocalChannelLayer(capacity=1000)
    layer.bind(asyncio.get_running_loop())
    channel = await layer.new_channel()

    async def send_all(start: int) -> None:
        for number in range(start, start + 50):
            await layer.send(channel, {"type": "number", "number": number})

    senders = [
        threading.Thread(target=lambda s=start: asyncio.run(send_all(s))) for start in (0, 50, 100, 150)
    ]
    for sender in senders:
        sender.start()
    numbers = {(await asyncio.wait_for(layer.receive(channel), 10))["number"] for _ in range(200)}
    assert numbers == set(range(200))
    for sender in senders:
        await asyncio.to_thread(sender.join)
