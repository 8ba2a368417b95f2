from django.apps import AppConfig


class PortalConfig(AppConfig):
    """The project's own app: people, their keys, and what every page shares."""

    name = "portal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the project's Celery app the one that tasks are sent through, whatever command runs."""
        from portal import celery  # noqa: F401
