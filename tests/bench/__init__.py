"""What `manage.py bench` measures: one module a group, each with its peers beside it in the same run."""
