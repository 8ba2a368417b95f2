"""The default wire: httptools parses HTTP, picows speaks WebSocket, both on one uvloop socket."""

from __future__ import annotations

from twins.runtime.server.fast.wire import FastWire

__all__ = ["FastWire"]
