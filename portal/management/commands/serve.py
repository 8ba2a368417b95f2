"""`manage.py serve`: only the portal's server, for installations that run each part apart."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from portal.listener import listening


class Command(BaseCommand):
    """Serves until SIGTERM or Ctrl-C; requests in flight are finished."""

    help = "Run the portal's server alone; worker, beat and host are started apart (docs/configuration.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options of the command."""
        parser.add_argument("--port", type=int, default=settings.PORT, help="TCP port (default: %(default)s)")
        parser.add_argument("--bind", default="127.0.0.1", help="address to listen on (default: %(default)s)")

    def handle(self, *, port: int, bind: str, **options: Any) -> None:
        """Serves."""
        listener = listening(bind, port)
        from portal.asgi import application
        from portal.server import GracefulServer

        self.stderr.write(f"Listening on {bind} port {port}")
        GracefulServer(application, listener).run()
