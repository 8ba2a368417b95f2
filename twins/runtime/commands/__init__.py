"""Commands for the keeper of a twin's directory: its vault, its snapshots, its erasures, its health."""
