"""What was measured: seconds and speeds of each cell, the machine; never part of a comparison."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xlt._version import __version__
from xlt.core.errors import DataError
from xlt.core.files import read_json, write_json
from xlt.evalsuite.plan.plan import Planned

__all__ = ["Measured"]


class Measured:
    """measured.json of a results folder, written whole after every cell."""

    def __init__(self, out: Path) -> None:
        self._path = out / "measured.json"
        self._cells: dict[str, Any] = _former(self._path)

    def add(
        self,
        cell: Planned,
        n: int,
        seconds: float,
        setup: Mapping[str, Any],
        tokens: Mapping[str, Any],
        size: int,
    ) -> None:
        """Record one finished cell.

        Args:
            cell: which.
            n: its items.
            seconds: reading, encoding, running, decoding and scoring together.
            setup: device, threads, batch budget.
            tokens: how the tokenizer takes the language (`tokens.token_facts`).
            size: bytes of its files.
        """
        self._cells[f"{cell.task.name}/{cell.split}-{cell.lang}"] = {
            "seconds": seconds,
            "items_per_second": n / seconds if seconds else None,
            "bytes": size,
            "host": platform.node(),
            "machine": platform.machine(),
            "xlt": __version__,
            **setup,
            "tokens": dict(tokens),
        }
        write_json(self._path, {"schema": 1, "cells": self._cells})

    def costs(self) -> dict[str, float]:
        """Task -> seconds a byte of its files, of all cells that were measured here before."""
        sums: dict[str, tuple[float, int]] = {}
        for name, cell in self._cells.items():
            if not isinstance(cell, dict):
                continue
            seconds, size = cell.get("seconds"), cell.get("bytes")
            if isinstance(seconds, int | float) and isinstance(size, int) and seconds > 0:
                task = name.partition("/")[0]
                spent, total = sums.get(task, (0.0, 0))
                sums[task] = spent + seconds, total + size
        return {task: spent / total for task, (spent, total) in sums.items() if total}


def _former(path: Path) -> dict[str, Any]:
    """What earlier calls measured; a damaged file is started again, as nothing depends on it."""
    try:
        cells = read_json(path).get("cells", {}) if path.is_file() else {}
    except (DataError, AttributeError):
        return {}
    return cells if isinstance(cells, dict) else {}
