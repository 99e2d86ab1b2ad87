"""Checkpoints where a bundle is wanted: exported once, into a cache, by a process of its own.

`xlt eval`, `mine`, `serve` and `xlt.open` take a checkpoint folder or `hf:ORG/NAME` as they take a
bundle. The process that asks stays free of torch. Loading over HTTP does not come here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from xlt.core.artifacts.bundle import MANIFEST, find_bundles
from xlt.core.artifacts.verified import recorded_sha256
from xlt.core.errors import CheckFailed, DataError, ModelError, UsageError, XltError
from xlt.core.files import cache_folder, sha256_json
from xlt.core.show.terminal import note

__all__ = ["HUB", "absolute", "cache_folder", "find_models", "only_model", "ready"]

HUB = "hf:"
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
# What a bundle is made of; other files of a repository (other formats of the weights) are not.
PARTS = (
    "*.json", "*.safetensors", "pytorch_model*.bin", "*.txt", "*.model", "README.md",
    "[0-9]*_*/*", "*.onnx*", "onnx/model.onnx*",
)  # fmt: skip
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin", "onnx/model.onnx", "model.onnx")
OLD = "0_Transformer"  # where old sentence models keep what others have at the top
FAMILIES: dict[int, type[XltError]] = {
    2: UsageError, 3: DataError, 4: ModelError, 5: CheckFailed,
}  # fmt: skip


def find_models(model: Path | str | None, *, task: str | None = None) -> list[Path]:
    """The bundle folders that a MODEL argument stands for; a checkpoint is exported first.

    Args:
        model: a bundle, a folder of bundles, a run, a checkpoint folder, `hf:ORG/NAME`, or None
            for `./xlt-run`. What exists as a path is that path; a bare name is never a download.
        task: what a checkpoint answers, where it does not say.

    Raises:
        ModelError: nothing there, or nothing that can be run.
        XltError: what `xlt export` says of the checkpoint, with its exit code.
    """
    return find_bundles(model if model is None else ready(model, task=task))


def only_model(model: Path | str | None, *, task: str | None = None) -> Path:
    """The one bundle folder of a MODEL argument; arguments and errors as `find_models`.

    Raises:
        UsageError: it stands for several.
    """
    found = find_models(model, task=task)
    if len(found) > 1:
        raise UsageError(
            f"{model or 'the run'}: holds {len(found)} bundles: {', '.join(p.name for p in found)}",
            f"open one of them, for example {found[0]}",
        )
    return found[0]


def ready(model: Path | str, *, task: str | None = None) -> Path:
    """A folder that holds bundles: the model itself, or the cached export of a checkpoint."""
    folder = Path(model)
    if folder.exists():
        return _exported(folder, str(folder), folder.resolve().name, task, folder)
    if not str(model).startswith(HUB):
        return folder
    name = str(model).removeprefix(HUB)
    if not HUB_ID.fullmatch(name):
        raise ModelError(f"{model}: not a model of the hub", f"write it as {HUB}ORG/NAME")
    snapshot = _snapshot(name)
    if snapshot is None:
        planned = _run(["export", str(model), *_task(task), *_out(name), "--dry-run", "--json"])
        snapshot = Path(json.loads(planned)[0]["checkpoint"])
    return _exported(snapshot, str(model), name.rpartition("/")[2], task, snapshot)


def absolute(model: Path) -> Path:
    """A MODEL argument that means the same in any working folder; names of the hub do already."""
    named = str(model).startswith(HUB) and not model.exists()
    return model if named else model.absolute()


def _exported(folder: Path, model: str, name: str, task: str | None, source: Path) -> Path:
    """The export of a checkpoint folder; any other folder as it is."""
    if not _is_checkpoint(folder):
        return folder
    listed = {str(p.relative_to(source)): recorded_sha256(p) for p in _parts(source)}
    key = sha256_json({"files": listed, "task": task, "xlt": _version()})
    target = cache_folder() / "bundles" / key[:32] / name
    if not (target / MANIFEST).is_file():
        note(f"{model} is a checkpoint: exporting it once, to {target}")
        try:
            _run(["export", model, *_task(task), "--out", str(target)])
        except XltError:
            if not (target / MANIFEST).is_file():  # another process may have made it meanwhile
                raise
    return target


def _version() -> str:
    try:
        return metadata.version("xlt")
    except metadata.PackageNotFoundError:  # from a folder, not installed
        return ""


def _is_checkpoint(folder: Path) -> bool:
    """Whether a folder is a model and neither a bundle nor a run."""
    if not _has_config(folder):
        return False
    return not any((folder / name).is_file() for name in (MANIFEST, "run.json"))


def _has_config(folder: Path) -> bool:
    old = (folder / "modules.json").is_file() and (folder / OLD / "config.json").is_file()
    return old or (folder / "config.json").is_file()


def _parts(folder: Path) -> list[Path]:
    found = {path for pattern in PARTS for path in folder.glob(pattern) if path.is_file()}
    return sorted(found)


def _task(task: str | None) -> list[str]:
    return [] if task is None else ["--task", task]


def _out(name: str) -> list[str]:
    return ["--out", str(cache_folder() / "planned" / name)]


def _snapshot(name: str) -> Path | None:
    """A hub model that the hub's own cache holds whole, at the revision that it knows as main."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    folder = hub / f"models--{name.replace('/', '--')}"
    try:
        commit = (folder / "refs" / "main").read_text().strip()
    except OSError:
        return None
    found = folder / "snapshots" / commit
    if not re.fullmatch(r"[0-9a-f]{40}", commit) or not _has_config(found):
        return None
    places = (found, found / OLD)
    return found if any(any(p.glob(pattern)) for p in places for pattern in WEIGHTS) else None


def _run(arguments: list[str]) -> str:
    """Run a verb of this installation.

    Returns:
        What it prints.

    Raises:
        XltError: it failed; the same message, hint and exit code.
    """
    done = subprocess.run(
        [sys.executable, "-m", "xlt", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return done.stdout
    said = dict(_lines(done.stderr))
    message = said.get("error") or f"xlt {arguments[0]} ended with {done.returncode}"
    error: Any = FAMILIES.get(done.returncode, XltError)(message, said.get("hint", ""))
    error.exit_code = done.returncode if done.returncode > 0 else 1
    raise error


def _lines(text: str) -> list[tuple[str, str]]:
    """The `error:` and `hint:` lines of a command."""
    found = (line.partition(": ") for line in text.splitlines())
    return [(name, rest) for name, _, rest in found if name in ("error", "hint")]
