"""What the pages load from `static/vendor/` is what the lock file names, byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from portal.management.commands.vendor import FILES, locked_versions

STATIC = Path(settings.BASE_DIR) / "static"
VENDOR = STATIC / "vendor"


def manifest() -> list[list[str]]:
    return [line.split() for line in (VENDOR / "MANIFEST").read_text(encoding="utf-8").splitlines()]


def test_every_vendored_file_has_the_bytes_that_the_manifest_names() -> None:
    named = {name: digest for digest, name, *_ in manifest()}
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "MANIFEST"
    }
    assert found == named


def test_the_manifest_names_the_versions_of_the_lock_file() -> None:
    versions = locked_versions(STATIC / "package-lock.json")
    assert {(package, version) for _, _, package, version in manifest()} == set(versions.items())


def test_the_vendor_command_copies_what_the_manifest_lists() -> None:
    listed = {(package, name) for _, name, package, _ in manifest()}
    assert listed == {(package, name) for package, _, name in FILES}


def test_the_lock_file_names_no_registry() -> None:
    lock = (STATIC / "package-lock.json").read_text(encoding="utf-8")
    assert "integrity" in lock
    assert "://" not in lock


def test_vendoring_without_npm_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="vendor needs npm"):
        call_command("vendor")
    assert (VENDOR / "htmx.min.js").exists()
