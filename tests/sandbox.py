"""A pytest plugin that gives each run a home of its own before the settings are read.

It is named in `addopts`, as the settings are loaded before any conftest.py.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="mycelium-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

(HOME / "static").mkdir()
os.environ["MYCELIUM_HOME"] = str(HOME)
os.environ["MYCELIUM_OUTBOUND_ALLOW"] = "127.0.0.0/8"
for variable in ("PORT", "PUBLIC_URL", "ALLOWED_HOSTS", "SECRET_KEY", "SECRET_KEY_FILE", "LOG_LEVEL"):
    os.environ.pop(variable, None)
