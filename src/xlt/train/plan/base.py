"""Where a run starts from: a hub id, a folder, a finished run, or a new compact encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.core.artifacts.runs import Run
from xlt.core.errors import ModelError
from xlt.core.files import read_json
from xlt.train.plan.config import COMPACT, TrainConfig

__all__ = ["Base", "find_base"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The model a run starts from.

    Attributes:
        name: what the user typed.
        source: hub id or folder; None for a new compact encoder.
        compact: whether it is, or descends from, a compact encoder.
        aligned: whether that encoder has read parallel text.
        lineage: of the run it comes from; empty otherwise.
    """

    name: str
    source: str | Path | None
    compact: bool = False
    aligned: bool = False
    lineage: Mapping[str, Any] = field(default_factory=dict)


def find_base(config: TrainConfig) -> Base:
    """Resolve `--model`; a hub id is not looked up yet.

    Raises:
        ModelError: a path that is not there, holds no model, or a run that is not finished.
    """
    name = config.model
    if config.is_compact:
        return Base(name=COMPACT, source=None, compact=True)
    path = Path(name).expanduser()
    if not path.exists():
        if name.startswith((".", "/", "~")):
            raise ModelError(f"--model {name}: no such folder", "check the path")
        return Base(name=name, source=name)
    if (path / "run.json").is_file():
        run = Run.open(path)
        if run.status != "done" or run.encoder is None:
            raise ModelError(
                f"--model {name} is a run that is not finished", "finish it with --resume first"
            )
        return Base(
            name=name,
            source=run.encoder,
            compact=_mark(run.encoder, "compact"),
            aligned=_mark(run.encoder, "aligned"),
            lineage=run.record["lineage"],
        )
    if not (path / "config.json").is_file():
        raise ModelError(
            f"--model {name} is not a model folder (no config.json)",
            f"--model takes a hub id, a folder, a run, or {COMPACT}",
        )
    return Base(
        name=name,
        source=path,
        compact=_mark(path, "compact"),
        aligned=_mark(path, "aligned"),
    )


def _mark(folder: Path, name: str) -> bool:
    """What the configuration of a model says about its descent."""
    return bool(read_json(folder / "config.json", ModelError).get(f"xlt_{name}"))
