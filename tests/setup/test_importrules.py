"""The import rules find what they are for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFIGURATION = """
[tool.importlinter]
root_packages = ["shop", "store"]
contract_types = ["only: tests.importrules.OnlyContract"]

[[tool.importlinter.contracts]]
name = "The shop is a client of the store"
type = "only"
sources = ["shop"]
exempt = ["shop.own"]
watched = ["store", "shop.own"]
allowed = ["store.client"]
"""


@pytest.mark.parametrize(
    ("module", "imports", "kept"),
    [
        ("shop/page.py", "from store.client import buy", True),
        ("shop/page.py", "from shop import shelf", True),
        ("shop/page.py", "import json", True),
        ("shop/page.py", "from store.vault import money", False),
        ("shop/page.py", "import store.vault", False),
        ("shop/page.py", "def late():\n    from store.vault import money", False),
        ("shop/page.py", "from shop.own import thing", False),
        ("shop/own/thing.py", "from store.vault import money", True),
    ],
)
def test_an_import_is_judged_by_the_list_of_allowed_ones(
    tmp_path: Path, module: str, imports: str, kept: bool
) -> None:
    for package in ("shop", "shop/own", "store", "store/client"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("buy = 1\n")
    for plain in ("shop/shelf.py", "shop/own/thing.py", "store/vault.py"):
        (tmp_path / plain).write_text("money = 1\n")
    (tmp_path / module).write_text(imports + "\n")
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    done = _lint(tmp_path)
    assert (done.returncode == 0) is kept, done.stdout + done.stderr
    assert ("store.vault" in done.stdout or "shop.own" in done.stdout) is not kept


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    program = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{root}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
