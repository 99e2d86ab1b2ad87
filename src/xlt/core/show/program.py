"""How this program is called, so that every command that is printed runs as it stands."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["as_typed", "command_line", "program"]

VERBS = "tasks|langs|data|world|train|average|export|eval|push|report|mine|study|demo|score|serve"
# `xlt VERB` where it begins a command: at the start of a line or of a quotation, or after a blank.
NAMED = re.compile(rf"(^|[\s`$'\"(])(?<!-m )xlt(?= (?:{VERBS})\b| --help| -h\b)", re.MULTILINE)


def program() -> str:
    """What to type for `xlt` in this shell and folder.

    `xlt` where the shell finds this installation under that name; otherwise the script beside the
    running Python (`.venv/bin/xlt`), or `PYTHON -m xlt` where there is none.
    """
    script = Path(sys.executable).parent / "xlt"
    found = shutil.which("xlt")
    if found and _same(Path(found), script):
        return "xlt"
    if script.is_file():
        return shlex.quote(_near(script))
    return f"{shlex.quote(_near(Path(sys.executable)))} -m xlt"


def as_typed(text: str) -> str:
    """A text in which the commands of `xlt` run as they stand."""
    name = program()
    return text if name == "xlt" else NAMED.sub(lambda found: found[1] + name, text)


def command_line(arguments: Sequence[str], columns: int = 0) -> str:
    """A command of `xlt` to copy; longer than `columns`, it goes on after backslashes."""
    words = [program(), *map(shlex.quote, arguments)]
    if not columns or len(" ".join(words)) <= columns:
        return " ".join(words)
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 3 <= columns:
            lines[-1] += f" {word}"
        else:
            lines.append(f"    {word}")
    return " \\\n".join(lines)


def _same(found: Path, script: Path) -> bool:
    try:
        return found.samefile(script)
    except OSError:  # no such script
        return False


def _near(path: Path) -> str:
    """The path as seen from here, where it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
