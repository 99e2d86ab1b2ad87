"""Bundles: an exported model with everything that is needed to run it, and its manifest.

`xlt.json` names every file with its SHA-256. A bundle is believed only when all of them agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from xlt.core.artifacts.verified import recorded_sha256
from xlt.core.errors import ModelError
from xlt.core.files import read_json, sha256_file, sha256_json, write_json
from xlt.core.kinds.table import KINDS
from xlt.core.tasks.table import Task

__all__ = [
    "DEFAULT_RUN", "INT8", "MANIFEST", "MEASURED", "PRECISIONS", "SCHEMA", "Bundle", "find_bundles",
    "write_manifest",
]  # fmt: skip

MANIFEST = "xlt.json"
MEASURED = "measured.json"  # speeds of the variants on the machine that exported them
SCHEMA = 1
DEFAULT_RUN = Path("xlt-run")
PRECISIONS = ("fp32", "fp16", "int8", "int8-vnni")
INT8 = PRECISIONS[2:]
Digest = Callable[[Path], str]
POOLINGS = (None, "mean", "cls", "last", "weightedmean")
FIELDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "task": dict,
    "answers": list,
    "max_length": int,
    "variants": dict,
    "files": dict,
}

# What no output depends on. All else is in the key, so that a file or a field that a later
# version reads is in it from the start.
INERT_FIELDS = frozenset(
    "schema name answers variants files trained_on lineage dev baseline parity export "
    "examples".split()
)
DOCUMENTS = ".md"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Bundle:
    """An opened bundle, checked against its manifest.

    Attributes:
        path: its folder.
        name: what it is called in results and routes.
        task: the task's complete record, labels included.
        answers: names of the tasks it can be evaluated on.
        max_length: tokens of one input, special tokens included.
        precision: the chosen variant: one of `PRECISIONS`.
        onnx_path: the variant's graph.
        key: SHA-256 of all that may decide its outputs: the variant's graph, every other file but
            documents, and the manifest but for what only tells where the model comes from.
        manifest: all of `xlt.json`.
    """

    path: Path
    name: str
    task: Task
    answers: tuple[str, ...]
    max_length: int
    precision: str
    onnx_path: Path
    key: str
    manifest: dict[str, Any]

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        precision: str | None = "fp32",
        verify: bool = True,
        recorded: bool = False,
    ) -> Bundle:
        """Read a bundle's manifest and check its files.

        Args:
            path: the bundle's folder.
            precision: the variant to use; None for the first there is.
            verify: compare the SHA-256 of every file; otherwise only that it is there.
            recorded: take a hash from the user's cache where the file has not changed since
                (`verified`); for starting a model, never for what is submitted or kept.

        Raises:
            ModelError: no bundle, another schema, a changed or missing file, or no such variant.
        """
        folder = Path(path)
        manifest = _read_manifest(folder)
        task = _task(folder, manifest)
        digest = recorded_sha256 if recorded else sha256_file
        for name, expected in manifest["files"].items():
            _check_file(folder, name, expected, digest if verify else None)
        if precision is None:
            precision = next(iter(manifest["variants"]), "fp32")
        variant = _variant(folder, manifest, precision)
        max_length = int(manifest["max_length"])
        return cls(
            path=folder,
            name=manifest["name"],
            task=task,
            answers=tuple(manifest["answers"]),
            max_length=max_length,
            precision=precision,
            onnx_path=folder / variant["file"],
            key=sha256_json(_identity(manifest, task, precision)),
            manifest=manifest,
        )

    def __repr__(self) -> str:
        return (
            f"Bundle({str(self.path)!r}, task={self.task.name!r}, kind={self.task.kind!r}, "
            f"precision={self.precision!r})"
        )

    @property
    def pooling(self) -> str | None:
        """How token vectors become one: mean, cls, last or weightedmean; None for heads."""
        value: str | None = self.manifest.get("pooling")
        return value

    @property
    def default_prompt(self) -> str:
        """What stands before a text where nobody asks for a prompt; "" for nothing."""
        name = self.manifest.get("default_prompt_name")
        return str((self.manifest.get("prompts") or {}).get(name, "")) if name else ""


def find_bundles(model: Path | str | None) -> list[Path]:
    """The bundle folders that a MODEL argument stands for, sorted by name.

    Args:
        model: a bundle, a folder of bundles, a run (its `bundles/`), or None for `./xlt-run`.

    Raises:
        ModelError: nothing there, or no bundle in it.
    """
    folder = DEFAULT_RUN if model is None else Path(model)
    if not folder.is_dir():
        raise ModelError(
            f"{folder}: no such bundle or run" if model else f"no model given and no {folder} here",
            "name a bundle, a folder of bundles or a run; `xlt export MODEL --out DIR` makes one",
        )
    if (folder / MANIFEST).is_file():
        return [folder]
    is_run = (folder / "run.json").is_file()
    found = _bundles_in(folder / "bundles") or ([] if is_run else _bundles_in(folder))
    if found:
        return found
    if is_run:
        raise ModelError(f"{folder}: this run has no bundles yet", f"xlt export {folder}")
    raise _foreign(folder)


def write_manifest(folder: Path, fields: dict[str, Any]) -> None:
    """Hash every file of a finished bundle folder and write `xlt.json`, last.

    Measured speeds are no part of the bundle: they are not the same twice.

    Args:
        folder: holds all files of the bundle, in place.
        fields: the manifest without `schema` and `files`.

    Raises:
        ValueError: the manifest would not open again (a bug of the caller).
    """
    files = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path not in (folder / MANIFEST, folder / MEASURED)
    }
    manifest = {"schema": SCHEMA, **fields, "files": files}
    faults = _faults(manifest)
    if faults:
        raise ValueError("; ".join(faults))
    write_json(folder / MANIFEST, manifest)


def _bundles_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path.parent for path in folder.glob(f"*/{MANIFEST}") if path.is_file())


def _foreign(folder: Path) -> ModelError:
    is_model = (folder / "config.json").is_file() or any(folder.glob("**/*.onnx"))
    kind = "a model, but not a bundle" if is_model else "no bundle in this folder"
    return ModelError(f"{folder}: {kind} (no {MANIFEST})", f"xlt export {folder} --out DIR")


def _read_manifest(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such bundle", "check the path; `xlt export` makes bundles")
    if not (folder / MANIFEST).is_file():
        raise _foreign(folder)
    path = folder / MANIFEST
    manifest = read_json(path, ModelError)
    if not isinstance(manifest, dict):
        raise ModelError(f"{path}: a JSON object is needed", "export the model again")
    if manifest.get("schema") != SCHEMA:
        raise ModelError(
            f"{path}: schema {manifest.get('schema')!r}, this version reads {SCHEMA}",
            "export the model again with this version",
        )
    faults = _faults(manifest)
    if faults:
        raise ModelError(f"{path}: " + "; ".join(faults), "export the model again")
    return manifest


def _faults(manifest: dict[str, Any]) -> list[str]:
    """All that is wrong with a manifest's shape."""
    faults = [
        f"{name!r} is missing or of the wrong type"
        for name, wanted in FIELDS.items()
        if not isinstance(manifest.get(name), wanted) or isinstance(manifest.get(name), bool)
    ]
    if faults:
        return faults
    files = manifest["files"]
    faults.extend(f"unsafe path {name!r}" for name in files if not _is_inside(name))
    faults.extend(
        f"no hash for {name!r}" for name, digest in files.items() if not isinstance(digest, str)
    )
    needed = ["tokenizer.json", "config.json"]
    for label, variant in manifest["variants"].items():
        if not isinstance(variant, dict) or not isinstance(variant.get("file"), str):
            faults.append(f"variant {label!r} names no file")
            continue
        listed = variant.get("files", [])
        if not isinstance(listed, list) or variant["file"] not in listed:
            faults.append(f"variant {label!r} does not list {variant['file']!r} in its files")
            continue
        needed.extend(map(str, listed))
    faults.extend(f"{name!r} is not among the files" for name in needed if name not in files)
    if manifest.get("pooling") not in POOLINGS:
        faults.append(f"unknown pooling {manifest['pooling']!r}")
    widths = manifest.get("dimensions") or []
    if not isinstance(widths, list) or not all(type(w) is int and w > 0 for w in widths):
        faults.append(f"dimensions {widths!r} are not a list of widths")
    prompts = manifest.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(p, str) for p in prompts.values()):
        faults.append("prompts are not an object of texts")
    elif manifest.get("default_prompt_name") not in (None, *prompts):
        faults.append(f"no prompt {manifest['default_prompt_name']!r}, which is the default")
    faults.extend(_wrong_steps(manifest.get("after_pooling") or [], files))
    return faults


def _wrong_steps(steps: Any, files: dict[str, str]) -> list[str]:
    """What is wrong with the steps after the pooling."""
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        return ["after_pooling is not a list of steps"]
    paths = [str(step.get("path")) for step in steps if step.get("type") == "dense"]
    return [f"no weights {p!r} among the files" for p in paths if not _lists(files, p)]


def _lists(files: dict[str, str], folder: str) -> bool:
    return f"{folder}/model.safetensors" in files


def _identity(manifest: dict[str, Any], task: Task, precision: str) -> dict[str, Any]:
    """What the key of a variant is made of; file names and hashes as the manifest lists them."""
    variants = manifest["variants"]
    graph = variants[precision]["files"]
    others = {name for variant in variants.values() for name in variant["files"]} - set(graph)
    return {
        "graph": variants[precision]["file"],
        "files": {
            name: digest
            for name, digest in manifest["files"].items()
            if name not in others and not name.endswith(DOCUMENTS)
        },
        **{name: value for name, value in manifest.items() if name not in INERT_FIELDS},
        "task": task.identity(),
    }


def _is_inside(name: str) -> bool:
    """Whether a manifest's file name stays inside the bundle's folder."""
    path = PurePosixPath(name)
    plain = not path.is_absolute() and ".." not in path.parts and "\\" not in name
    return plain and ":" not in name and "\0" not in name and path.as_posix() == name != "."


def _task(folder: Path, manifest: dict[str, Any]) -> Task:
    try:
        task = Task.from_json(manifest["task"])
    except TypeError as error:
        raise ModelError(
            f"{folder / MANIFEST}: not a task record ({error})", "export the model again"
        ) from error
    if task.kind not in KINDS or KINDS[task.kind].onnx_task is None:
        raise ModelError(
            f"{folder / MANIFEST}: a task of kind {task.kind!r} cannot run",
            "export the model again with this version",
        )
    return task


def _check_file(folder: Path, name: str, expected: str, digest: Digest | None) -> None:
    path = folder / name
    if not path.is_file():
        raise ModelError(f"{path}: missing, though {MANIFEST} lists it", "copy or export it again")
    if digest is not None and digest(path) != expected:
        raise ModelError(
            f"{path}: its bytes are not those that {MANIFEST} lists (SHA-256 differs)",
            "copy the bundle again, or export the model again",
        )


def _variant(folder: Path, manifest: dict[str, Any], precision: str) -> dict[str, Any]:
    variants: dict[str, dict[str, Any]] = manifest["variants"]
    if precision not in variants:
        raise ModelError(
            f"{folder}: no {precision} variant; it has {', '.join(variants) or 'none'}",
            f"use --precision {next(iter(variants))}" if variants else "export the model again",
        )
    return variants[precision]
