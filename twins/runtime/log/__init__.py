"""The commitlog: one sealed, chained frame per call."""
