"""The demo: one planted answer with three seeds, and the whole path on all nine tasks."""
