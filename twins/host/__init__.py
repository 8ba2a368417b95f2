"""The host: one per machine, it holds every twin's socket and forks its process when somebody calls."""
