"""Acts that take longer than a request: ``driver`` runs them, every other module here declares one kind."""
