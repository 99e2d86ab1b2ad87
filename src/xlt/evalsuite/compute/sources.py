"""Hashes of our own code between files and scores, so that no kept cell outlives a change of it.

They stand in the key of every cell. Comments, docstrings and empty lines do not count. A number
that is raised by hand could be forgotten; what a needless redo costs is minutes.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from xlt._version import __version__
from xlt.core.files import sha256_json

__all__ = ["PACKAGE", "PARTS", "code_hash", "code_of", "source_files"]

PACKAGE = Path(__file__).resolve().parents[2]
# Part of the key -> folders and files of the package, and what in them no score depends on
# (a leading minus).
PARTS = {
    "encoder": (
        "core/encode", "core/inference", "core/kinds", "core/retrieval", "core/tasks/examples.py",
        "data", "-data/hub", "-data/check.py", "-data/overlap.py", "-data/texts.py",
        "-data/training.py", "evalsuite/compute", "-evalsuite/compute/failures.py",
        "-evalsuite/compute/measured.py", "-evalsuite/compute/sources.py",
        "-evalsuite/compute/tokens.py", "evalsuite/cross.py",
    ),
    "scorer": (
        "core/kinds", "core/metrics", "-core/metrics/score.py", "core/stats/__init__.py",
        "core/stats/clusters.py", "core/stats/intervals.py", "core/stats/items.py",
        "core/stats/special.py",
    ),
}  # fmt: skip


Function = ast.FunctionDef | ast.AsyncFunctionDef
OWNERS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def code_hash(part: str) -> str:
    """SHA-256 over the code of a part of `PARTS`, 16 hex digits.

    An installation without sources has the version instead.
    """
    return _hash(PACKAGE, part)


def _hash(package: Path, part: str) -> str:
    code = {
        path.relative_to(package).as_posix(): code_of(path.read_text(encoding="utf-8"))
        for path in source_files(package, part)
    }
    return sha256_json(code or {"version": __version__})[:16]


def source_files(package: Path, part: str) -> list[Path]:
    """The modules of a part, sorted."""
    taken: set[Path] = set()
    left_out: set[Path] = set()
    for entry in PARTS[part]:
        place = package / entry.removeprefix("-")
        found = [place] if place.suffix else place.rglob("*.py")
        (left_out if entry.startswith("-") else taken).update(p for p in found if p.is_file())
    return sorted(taken - left_out)


def code_of(source: str) -> str:
    """A module without comments, docstrings and empty lines; the same for every Python version."""
    lines = [line.encode() for line in source.splitlines()]
    texts: list[tuple[int, int, int, int]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, OWNERS):
            _blank_docstring(lines, node)
        elif isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        ):
            texts.append((*_start(node), node.end_lineno or 0, node.end_col_offset or 0))
    for row, line in enumerate(lines, start=1):
        place = line.find(b"#")
        while place >= 0 and any((a, b) <= (row, place) < (c, d) for a, b, c, d in texts):
            place = line.find(b"#", place + 1)
        if place >= 0:
            lines[row - 1] = line[:place]
    return "\n".join(line.decode().rstrip() for line in lines if line.strip())


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _blank_docstring(lines: list[bytes], owner: ast.Module | ast.ClassDef | Function) -> None:
    """Empty the lines of a docstring that has them for itself."""
    if ast.get_docstring(owner, clean=False) is None:
        return
    text = owner.body[0]
    first, last = text.lineno - 1, text.end_lineno or text.lineno
    if not lines[first][: text.col_offset].strip():
        lines[first:last] = [b""] * (last - first)
