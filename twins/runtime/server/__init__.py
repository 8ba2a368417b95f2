"""The server: a twin's HTTP and WebSocket interface."""
