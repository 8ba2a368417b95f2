"""The platform layer: settings, sign-in, router, live pages. Imports nothing: set-up starts here."""
