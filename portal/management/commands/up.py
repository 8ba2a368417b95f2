"""`manage.py up`: the whole of Mycelium on this machine in one command."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from portal.health import health
from portal.listener import listening


class Command(BaseCommand):
    """Serves until Ctrl-C or SIGTERM; a second one ends at once."""

    help = "Start Mycelium: portal, worker and the host of the twins, with a demo mesh to look at."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options of the command."""
        parser.add_argument("--port", type=int, default=settings.PORT, help="TCP port (default: %(default)s)")
        parser.add_argument("--bind", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--no-demo", action="store_true", help="start without the demo mesh")

    def handle(self, *, port: int, bind: str, no_demo: bool, **options: Any) -> None:
        """Prepares the home, starts everything, serves, and stops everything."""
        if port != settings.PORT:
            # the public address in the settings follows from the port
            os.environ["PORT"] = str(port)
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        os.umask(0o077)
        listener = listening(bind, port)
        self.say("Preparing the database and the static files ...")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        from portal.embedded import Embedded

        health.starting("starting")
        embedded = Embedded(listener, demo=not no_demo, say=self.say)
        sys.exit(embedded.run())

    def say(self, line: str) -> None:
        """Prints one line of progress; any thread may call it."""
        self.stdout.write(line)
        self.stdout.flush()
