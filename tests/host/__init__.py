"""The host, as a real process with real twins."""
