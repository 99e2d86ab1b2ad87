"""Flags of a study as words of a command line, and which training takes which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xlt.core.tasks.table import INTERMEDIATE
from xlt.study.file.flags import ARM, ONCE

__all__ = ["common", "mixing", "named_files", "number", "sizes", "spelled_out", "words_of"]


def common(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Flags that every training takes."""
    return {name: value for name, value in flags.items() if name not in ONCE | ARM}


def mixing(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Flags that intermediate phases take beside the common ones."""
    return {name: value for name, value in flags.items() if name in ARM}


def words_of(flags: Mapping[str, Any]) -> list[str]:
    """Flags as words of a command line, by name."""
    found: list[str] = []
    for name, value in sorted(flags.items()):
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            found.append(flag)
        elif isinstance(value, tuple):
            found += [word for one in value for word in (flag, str(one))]
        elif value is not None:
            found += [flag, str(value)]
    return found


def named_files(flags: Mapping[str, Any], tasks: Sequence[str]) -> list[str]:
    """Files that the flags of a training on these tasks name."""
    entries = (entry.partition("=") for entry in flags.get("train_split", ()))
    found = [file for task, _, file in entries if task in tasks]
    return found + [name for name in str(flags.get("task_file", "")).split(",") if name]


def spelled_out(group: str) -> list[str]:
    """The tasks of a phase, `all` written out."""
    return [
        task for name in group.split(",") for task in (INTERMEDIATE if name == "all" else [name])
    ]


def sizes(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that its cost depends on."""
    names = ("steps", "epochs", "train_examples", "batch_size", "max_length", "set")
    return {name: flags[name] for name in names if flags.get(name) is not None}


def number(flags: Mapping[str, Any], *names: str) -> int | None:
    """The smallest of some flags; None where none is given."""
    given = [int(flags[name]) for name in names if flags.get(name) is not None]
    return min(given) if given else None
