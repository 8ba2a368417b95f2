"""`python -m twins.runtime`."""

from __future__ import annotations

import sys

from twins.runtime.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
