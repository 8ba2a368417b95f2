"""The demonstration mesh: real public FDA data, the lineage of the partners, and a local feed."""
