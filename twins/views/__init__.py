"""Views parse, call and render; what is allowed stands in access, what happens in services."""
