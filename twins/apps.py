from django.apps import AppConfig


class TwinsConfig(AppConfig):
    """The directory of twins, their lineage, claims and operations."""

    name = "twins"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make the kinds of operation known to whoever drives them."""
        from twins.operations import handover, provision

        handover.declare()
        provision.declare()
