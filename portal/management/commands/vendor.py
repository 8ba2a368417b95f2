"""Copy the browser libraries and fonts named in `static/package-lock.json` into `static/vendor/`."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

SANS = "@fontsource-variable/instrument-sans"
SERIF = "@fontsource-variable/source-serif-4"
MONO = "@fontsource/ibm-plex-mono"
HTMX = "htmx.org"

FILES: tuple[tuple[str, str, str], ...] = (
    (HTMX, "dist/htmx.min.js", "htmx.min.js"),
    (HTMX, "dist/ext/hx-ws.min.js", "hx-ws.min.js"),
    (HTMX, "LICENSE", "licenses/htmx.txt"),
    (SANS, "files/instrument-sans-latin-wght-normal.woff2", "fonts/instrument-sans.woff2"),
    (SANS, "LICENSE", "licenses/instrument-sans.txt"),
    (SERIF, "files/source-serif-4-latin-opsz-normal.woff2", "fonts/source-serif-4.woff2"),
    (SERIF, "LICENSE", "licenses/source-serif-4.txt"),
    (MONO, "files/ibm-plex-mono-latin-400-normal.woff2", "fonts/ibm-plex-mono.woff2"),
    (MONO, "LICENSE", "licenses/ibm-plex-mono.txt"),
)


def locked_versions(lock: Path) -> dict[str, str]:
    """Give the version of each package in an npm lock file (version 3 of the format)."""
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    return {path.removeprefix("node_modules/"): entry["version"] for path, entry in packages.items() if path}


def manifest(vendor: Path, versions: dict[str, str]) -> str:
    """Write one line for each vendored file: SHA-256, file, package, version."""
    lines = []
    for package, _, name in FILES:
        digest = hashlib.sha256((vendor / name).read_bytes()).hexdigest()
        lines.append(f"{digest}  {name}  {package}  {versions[package]}")
    return "\n".join(lines) + "\n"


class Command(BaseCommand):
    """Vendoring is rare and needs npm; running and testing the project needs neither."""

    help = "Copy htmx and the fonts from npm into static/vendor and write its MANIFEST."

    def handle(self, *args: Any, **options: Any) -> None:
        """Install what the lock names in a temporary directory, then copy the named files.

        Raises CommandError when npm is missing, fails, or a package lacks a named file.
        """
        npm = shutil.which("npm")
        if npm is None:
            raise CommandError("vendor needs npm, which is not on this machine's PATH.")
        static = Path(settings.BASE_DIR) / "static"
        with tempfile.TemporaryDirectory() as work:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(static / name, work)
            self._install(npm, work)
            self._copy(Path(work) / "node_modules", static / "vendor")
        versions = locked_versions(static / "package-lock.json")
        (static / "vendor" / "MANIFEST").write_text(manifest(static / "vendor", versions), encoding="utf-8")
        self.stdout.write(f"Vendored {len(FILES)} files of {len(versions)} packages.")

    def _install(self, npm: str, work: str) -> None:
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CommandError(f"npm ci failed:\n{done.stderr.strip()}")

    def _copy(self, modules: Path, vendor: Path) -> None:
        shutil.rmtree(vendor, ignore_errors=True)
        for package, source, name in FILES:
            target = vendor / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(modules / package / source, target)
            except FileNotFoundError as error:
                raise CommandError(f"{package} has no file {source}.") from error
