"""The one place that holds the version; `CHANGELOG.md` must agree (tested)."""

__version__ = "0.1.0"
