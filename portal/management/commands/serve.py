"""`manage.py serve`: the portal alone, where PostgreSQL, Redis, the workers and the host run beside it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from portal.health import health
from portal.listener import listening


class Command(BaseCommand):
    """Serves until Ctrl-C or SIGTERM; what is in flight is finished first."""

    help = "Serve the portal alone, behind an edge that ends TLS. Migrate and collect static files before."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options of the command."""
        parser.add_argument("--port", type=int, default=settings.PORT, help="TCP port (default: %(default)s)")
        parser.add_argument("--bind", default="127.0.0.1", help="address to listen on (default: %(default)s)")

    def handle(self, *, port: int, bind: str, **options: Any) -> None:
        """Serves the portal on one port."""
        from portal.asgi import application
        from portal.server import GracefulServer

        server = GracefulServer(application, listening(bind, port))
        health.ready()
        self.stdout.write(f"The portal serves on {bind}:{port} for {settings.PUBLIC_URL}/")
        server.run()
