"""xlt.json of a bundle, and where a bundle that failed its gate is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from xlt.core.errors import CheckFailed
from xlt.core.files import atomic_folder, write_json
from xlt.export.files.folder import after_pooling
from xlt.export.gate.parity import LIMITS, Parity
from xlt.export.plan import Job
from xlt.export.variants.write import Variants

__all__ = [
    "MODEL_FILE",
    "check_variants",
    "failed_folder",
    "keep_failed",
    "manifest_of",
    "set_aside",
]

MODEL_FILE = Path("onnx/model.onnx")


def manifest_of(
    job: Job,
    *,
    names: Sequence[str],
    parity: Mapping[str, Any],
    max_length: int,
    export: Mapping[str, Any],
    variants: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The fields of xlt.json that the export knows.

    Args:
        job: what was exported.
        names: files of the graph, relative to its folder.
        parity: variant -> the record of its gate.
        max_length: tokens of one input.
        export: how the graph was made: key, versions, exporter, opset, IR.
        variants: name -> file and files; None for the fp32 graph alone.
    """
    files = [str(MODEL_FILE.with_name(name)) for name in names]
    return {
        "name": job.name,
        "task": job.task.to_json(),
        "answers": list(job.answers),
        "max_length": max_length,
        "pooling": job.pooling,
        "layer": job.layer,
        "layers": job.checkpoint.depth,
        **({"dimensions": list(job.dimensions)} if job.dimensions else {}),
        **({"prompts": dict(job.prompts)} if job.prompts else {}),
        **({"default_prompt_name": job.default_prompt} if job.default_prompt else {}),
        **({"after_pooling": after_pooling(job.steps)} if job.steps else {}),
        "variants": dict(variants or {"fp32": {"file": str(MODEL_FILE), "files": files}}),
        "trained_on": dict(job.trained_on),
        "lineage": dict(job.lineage),
        "dev": dict(job.dev),
        "baseline": dict(job.baseline),
        **({"task_file": dict(job.task_file)} if job.task_file else {}),
        **({"examples": dict(job.examples)} if job.examples else {}),
        "parity": {name: dict(record) for name, record in parity.items()},
        "export": dict(export),
    }


def failed_folder(target: Path) -> Path:
    """Where a bundle that missed a limit is kept for a look."""
    return target.with_name(f"{target.name}.failed")


def keep_failed(job: Job, folder: Path, found: Parity, record: Mapping[str, Any]) -> None:
    """Move what was built to `<target>.failed`, without a manifest, and say why.

    Raises:
        CheckFailed: always.
    """
    if found.min_cosine is None:
        what = (
            f"largest logit difference {found.max_difference:.2e} "
            f"(limit {LIMITS['max_logit_difference']:g}), {found.changed} of {found.clear} "
            "clear predictions changed"
        )
    else:
        what = f"smallest cosine {found.min_cosine:.6f} (limit {LIMITS['min_cosine']:g})"
    worst = ", ".join(f"{name} ({value:.1e})" for name, value in found.worst)
    sides = ("ONNX Runtime and PyTorch", "a row alone and in a batch")[bool(job.checkpoint.graph)]
    set_aside(job, folder, record, f"{sides} differ: {what}; worst inputs: {worst}")


def check_variants(job: Job, folder: Path, variants: Variants) -> None:
    """Let nothing pass that holds a variant over its limit.

    Raises:
        CheckFailed: one is; all of them are named, with the inputs that moved most.
    """
    if variants.failed:
        said = [
            f"{name} is too far from fp32: {close.say()}; worst inputs: "
            + ", ".join(f"{text} ({value:.3g})" for text, value in close.worst)
            for name, close in variants.failed.items()
        ]
        set_aside(job, folder, variants.parity, "; ".join(said))


def set_aside(job: Job, folder: Path, record: Mapping[str, Any], problem: str) -> NoReturn:
    """Move what was built to `<target>.failed`, without a manifest, and raise.

    Raises:
        CheckFailed: always.
    """
    failed = failed_folder(job.target)
    write_json(folder / "parity.json", record)
    with atomic_folder(failed) as place:
        for part in folder.iterdir():
            part.rename(place / part.name)
    raise CheckFailed(
        f"{job.name}: {problem}", f"the bundle was not made; what was built is in {failed}"
    )
