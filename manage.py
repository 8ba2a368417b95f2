#!/usr/bin/env python3
"""Mycelium's one command: `python3 manage.py up` starts it, `python3 manage.py test` checks it."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Makes the project's own environment when it is missing, then runs the command in it."""
    from portal.bootstrap import enter_environment

    enter_environment(sys.argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    main()
