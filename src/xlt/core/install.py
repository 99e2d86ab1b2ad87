"""How this installation is added to: it comes from a clone, not from a package index."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["pip", "pip_line"]


def pip_line(extra: str) -> str:
    """The command that installs an extra, as it can be typed here.

    It names the clone that xlt was installed from; where that is not known or gone, `./`, for a
    shell in a clone.
    """
    clone = _clone()
    if clone is None:
        return f'{pip()} install "./[{extra}]"  # in a clone of xlt'
    here = Path.cwd()
    if clone == here:
        return f'{pip()} install "./[{extra}]"'
    return f'{pip()} install "{clone}[{extra}]"'


def pip() -> str:
    """What to type for the pip of this environment."""
    beside = Path(sys.executable).parent
    found = shutil.which("pip")
    if found and Path(found).parent == beside:
        return "pip"
    return f"{shlex.quote(_near(Path(sys.executable)))} -m pip"


def _near(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _clone() -> Path | None:
    """The folder that pip installed xlt from (PEP 610), where it is still a clone."""
    try:
        recorded = metadata.distribution("xlt").read_text("direct_url.json")
        url = urlsplit(json.loads(recorded or "{}").get("url", ""))
    except (metadata.PackageNotFoundError, ValueError):
        return None
    folder = Path(unquote(url.path))
    return folder if url.scheme == "file" and (folder / "setup.cfg").is_file() else None
