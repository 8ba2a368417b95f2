"""The documents say what the program does."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.core.management import get_commands

from tests.portalprocess import ROOT

READERS = {"text", "secret", "number", "choice", "words", "networks", "ports", "web_address"}
MARKDOWN = sorted(
    path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)


def variables() -> Iterator[str]:
    """Every environment variable that the settings or the set-up read."""
    for call in ast.walk(ast.parse((ROOT / "portal" / "settings.py").read_text())):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in READERS:
            name = call.args[0]
            assert isinstance(name, ast.Constant)
            assert isinstance(name.value, str)
            yield name.value
            if call.func.attr == "secret":
                yield f"{name.value}_FILE"
    for path in (ROOT / "portal" / "bootstrap.py", ROOT / "manage.py"):
        yield from re.findall(r'environ\.get\("(\w+)"', path.read_text())


@pytest.mark.parametrize("name", sorted(set(variables())))
def test_each_variable_is_documented(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "configuration.md").read_text()


def test_no_variable_is_documented_that_nobody_reads() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)
    assert set(rows) <= set(variables())
    assert len(rows) >= 10


@pytest.mark.parametrize("document", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_relative_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    broken = [
        target
        for target in targets
        if not re.match(r"[a-z]+:", target)
        and not (document.parent / unquote(target.partition("#")[0])).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("document", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_command_in_a_document_exists(document: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z]+)\b", document.read_text()))
    assert named <= set(get_commands())


def test_each_route_of_the_protocol_is_served() -> None:
    table = (ROOT / "docs" / "protocol.md").read_text()
    routes = re.findall(r"^\| `(?:GET|POST) (/[^\s`?]*)", table, re.MULTILINE)
    sources = "\n".join(path.read_text() for path in (ROOT / "twins" / "runtime" / "server").rglob("*.py"))
    assert len(routes) >= 10
    assert [route for route in routes if _constant_part(route) not in sources] == []


def test_no_tracked_file_names_a_package_registry() -> None:
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org", "files.python" + "hosted"]
    pattern = [word for host in hosts for word in ("-e", host)]
    listed = subprocess.run(
        ["git", "grep", "--untracked", "-lF", *pattern], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert listed.stdout.splitlines() == []


def _constant_part(route: str) -> str:
    return route.partition("<")[0].rstrip("/")
