"""Snapshots: a twin's whole state as of one record, so that it starts without reading all of its log."""
