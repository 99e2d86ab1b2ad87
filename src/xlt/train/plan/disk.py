"""How much disk a run takes, before anything is written."""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xlt.core.artifacts.hub import prepare_hub
from xlt.core.errors import ModelError
from xlt.core.files import read_json
from xlt.train.plan.base import Base
from xlt.train.plan.phases import Phase

__all__ = ["disk_needed", "disk_words"]

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
HALF = {"float16", "bfloat16"}
COMPACT_BYTES = 9_000_000  # with the largest vocabulary
CHECKPOINT = 3  # weights and two moments
BEST = 2  # the best weights so far, and those that replace them


def model_bytes(base: Base) -> int | None:
    """Bytes of the base model in fp32; None for a hub id that neither cache nor hub knows."""
    if base.source is None:
        return COMPACT_BYTES
    folder = Path(base.source)
    return _folder_bytes(folder) if folder.is_dir() else hub_bytes(str(base.source))


@functools.cache
def hub_bytes(source: str) -> int | None:
    """Bytes in fp32 of a model of the hub: from the cache, else from the hub's list of files."""
    from transformers.utils import cached_file

    missing = {"_raise_exceptions_for_missing_entries": False, "local_files_only": True}
    with contextlib.suppress(OSError):
        config = cached_file(source, "config.json", **missing)
        found = _folder_bytes(Path(config).parent) if config else None
        if found:
            return found
    return None if prepare_hub() else _listed_bytes(source)


def _listed_bytes(source: str) -> int | None:
    """What the hub says of its files; None where it does not answer or does not know."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(source, files_metadata=True)
    except Exception:  # no such model, no access, no network: the run itself will say so
        return None
    parameters = getattr(info.safetensors, "total", None)
    if parameters:
        return 4 * int(parameters)
    for pattern in WEIGHTS:
        sizes = [f.size or 0 for f in info.siblings or () if Path(f.rfilename).match(pattern)
                 and "/" not in f.rfilename]  # fmt: skip
        if sum(sizes):
            return sum(sizes)
    return None


def _folder_bytes(folder: Path) -> int | None:
    sizes = [sum(p.stat().st_size for p in folder.glob(pattern)) for pattern in WEIGHTS]
    found = next((size for size in sizes if size), 0)
    settings = read_json(folder / "config.json", ModelError)
    kind = str(settings.get("dtype") or settings.get("torch_dtype") or "")
    return (2 if kind in HALF else 1) * found or None


def disk_needed(base: Base, phases: Sequence[Phase], keep: int = 0) -> dict[str, int] | None:
    """Most bytes while training, and bytes when it is done; None when the model's size is unknown.

    While the last phase trains, the folder holds every model before it, a copy of the base, one
    checkpoint and the one that replaces it, and the best weights twice. Training on the embedding
    rows that occur makes checkpoints smaller: this is an upper bound.
    """
    size = model_bytes(base)
    if size is None:
        return None
    models = len(phases) * (1 + keep) + 1 + (base.source is None)
    training = 1 + 2 * CHECKPOINT + BEST if phases else 1
    return {"peak": size * (models + training), "final": size * models}


def disk_words(needed: dict[str, int] | None, out: Path) -> str:
    """One line: what is needed, and what is free where the run goes."""
    if needed is None:
        return (
            "disk: the model's size is unknown (neither in the hub's cache nor told by the hub); "
            "some ten times the model while a phase trains, one model a phase when done"
        )
    folder: Any = out.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    line = (
        f"disk: at most {_size(needed['peak'])} while training, {_size(needed['final'])} when "
        f"done; {_size(free)} are free"
    )
    return f"{line}: too few" if free < needed["peak"] else line


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
