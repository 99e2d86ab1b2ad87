"""One way to say that an optional package is missing: exit 6 with the pip line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from xlt.core.errors import MissingExtra

__all__ = ["needs"]

PACKAGE_NAMES = {
    "yaml": "pyyaml",
    "prometheus_client": "prometheus-client",
    "sklearn": "scikit-learn",
}


@contextlib.contextmanager
def needs(extra: str, purpose: str = "") -> Iterator[None]:
    """Turn the ImportError of a third-party package inside the block into `MissingExtra`.

    Args:
        extra: the extra of setup.cfg that brings the package.
        purpose: what it is needed for, for the message.

    Raises:
        MissingExtra: a package of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package == "xlt":
            raise
        raise MissingExtra(PACKAGE_NAMES.get(package, package), extra, purpose) from error
