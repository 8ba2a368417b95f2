"""Setting a twin up: its own directory, key and process, and the first look of its senses."""

from __future__ import annotations

import time
from typing import Any

from twins import mesh
from twins.models import Twin
from twins.operations.driver import GiveUp, Kind, Step, register

FIRST_LOOK = 8.0


def declare() -> None:
    """Make the kind known. ``args``: ``twin`` (uuid), ``genesis``, ``placement``, ``become``."""
    steps = (
        Step("create", "Make its directory and key", _create),
        Step("wake", "Start its process", _wake),
        Step("feed", "Let its senses look", _feed),
        Step("enter", "Enter it in the directory", _enter),
    )
    register(Kind("provision", steps, failed=_failed))


def _create(args: dict[str, Any]) -> str:
    twin = Twin.objects.get(pk=args["twin"])
    mesh.host().create(
        slug=twin.slug,
        name=twin.name,
        twin_id=twin.ulid,
        genesis=args["genesis"],
        placement=args["placement"],
    )
    return f"{twin.slug} has its own directory and key"


def _wake(args: dict[str, Any]) -> str:
    twin = Twin.objects.get(pk=args["twin"])
    said = mesh.client(twin).about()
    if said["id"] != twin.ulid:
        raise GiveUp(
            f"On the socket of {twin.slug} another twin answers: {said['id']}, expected {twin.ulid}."
        )
    return f"answers as {said['id']}"


def _feed(args: dict[str, Any]) -> str:
    if not args["genesis"].get("senses"):
        return "no sense yet"
    twin = Twin.objects.get(pk=args["twin"])
    deadline = time.monotonic() + FIRST_LOOK
    while time.monotonic() < deadline:
        senses: list[dict[str, Any]] = mesh.client(twin).about()["senses"]
        if all(sense["last_run"] for sense in senses):
            return "; ".join(f"{sense['title']}: {sense['last_result']}" for sense in senses)
        time.sleep(0.05)
    raise TimeoutError(f"a sense of {twin.slug} has not looked within {FIRST_LOOK:.0f} seconds")


def _enter(args: dict[str, Any]) -> str:
    twin = Twin.objects.get(pk=args["twin"])
    if twin.state == Twin.State.PROVISIONING:
        Twin.LIFECYCLE.move(twin, args["become"])
    return f"{twin.name} is {twin.get_state_display().lower()}"


def _failed(args: dict[str, Any], error: str) -> None:
    twin = Twin.objects.get(pk=args["twin"])
    if twin.state == Twin.State.PROVISIONING:
        Twin.LIFECYCLE.move(twin, "fail")
