"""The demonstration's data and its feed."""
