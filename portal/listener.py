"""The socket that the portal listens on."""

from __future__ import annotations

import os
import socket
import sys


def listening(address: str, port: int) -> socket.socket:
    """A listening TCP socket: who calls early waits. Without one the program ends with a sentence."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(128)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else "no such address"
        sys.exit(f"manage.py: {address} port {port} cannot be used ({reason}); choose another with --port")
    except OverflowError:
        sys.exit(f"manage.py: --port {port}: expected a number from 1 to 65535")
    return listener
