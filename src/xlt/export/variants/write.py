"""Writing the variants that `--precision` asks for beside a bundle's fp32 graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.core.artifacts.bundle import INT8, MEASURED
from xlt.core.encode.encoder import Encoder
from xlt.core.encode.model import settings
from xlt.core.errors import ModelError
from xlt.core.extras import needs
from xlt.core.files import write_json
from xlt.core.inference.head import Head
from xlt.core.inference.int8 import wrong_products
from xlt.core.inference.session import Session
from xlt.core.tasks.table import Task
from xlt.data import DataRoot
from xlt.export.gate.parity import Array, Batch
from xlt.export.variants.close import Close, Limits, compare_close
from xlt.export.variants.measure import measure
from xlt.export.variants.texts import calibration_feeds

__all__ = ["LIMITS", "Source", "Variants", "write_variants"]

LIMITS = {
    "int8": Limits(mean_cosine=0.95, changed=0.02),
    "int8-vnni": Limits(mean_cosine=0.95, changed=0.02),
    "fp16": Limits(mean_cosine=0.999, changed=0.02),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The fp32 graph and what it was checked with.

    Attributes:
        folder: the bundle.
        file: the graph, relative to the bundle.
        names: its files, relative to the graph's folder.
        batches: of the gate.
        expected: the reference's answers to them.
        reference: what that is, in words.
    """

    folder: Path
    file: Path
    names: Sequence[str]
    task: Task
    encoder: Encoder
    batches: Sequence[Batch]
    expected: Sequence[Mapping[str, Array]]
    reference: str
    pooling: str | None
    head: Head


@dataclass(slots=True, kw_only=True)
class Variants:
    """What was written: the manifest's `variants`, its `parity`, and those over a limit."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    parity: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, Close] = field(default_factory=dict)


def write_variants(source: Source, precisions: Sequence[str], root: DataRoot | None) -> Variants:
    """Write and check every variant; the fp32 graph goes when it is not asked for.

    `measured.json` with sizes and speeds is written beside the manifest.

    Args:
        source: the fp32 graph.
        precisions: names of variants.
        root: its dev text joins the calibration of int8.

    Raises:
        ModelError: this CPU cannot check `int8-vnni`.
        MissingExtra: the package onnx is not installed.
    """
    found = Variants()
    onnx_folder = source.file.parent
    listed = {"file": str(source.file), "files": [str(onnx_folder / n) for n in source.names]}
    found.entries["fp32"] = listed
    feeds = calibration_feeds(source.batches, source.task, source.encoder, root)
    if any(name != "fp32" for name in precisions):
        with needs("export", "other precisions than fp32"):
            import onnx  # noqa: F401
        _write(source, [name for name in precisions if name != "fp32"], feeds, found)
    if "fp32" not in precisions:
        del found.entries["fp32"]
        for part in listed["files"]:
            (source.folder / part).unlink()
    speeds = measure(source.folder, found.entries, feeds, source.encoder.pad_id)
    write_json(source.folder / MEASURED, speeds)
    return found


def _pads_right(folder: Path) -> bool:
    """Whether the tokenizer pads on the right, as nearly all of encoders do."""
    side = settings(folder / "tokenizer_config.json").get("padding_side", "right")
    return bool(side == "right")


def _write(
    source: Source, names: Sequence[str], feeds: Sequence[Mapping[str, Array]], found: Variants
) -> None:
    from xlt.export.graph.fp16 import halve
    from xlt.export.graph.int8 import recipe
    from xlt.export.graph.int8.quantize import calibrate, quantize

    graph = source.folder / source.file
    seen = calibrate(graph, feeds) if set(names) & set(INT8) else {}
    for name in names:
        if name == "int8-vnni" and wrong_products(recipe.LIMITS[name]):
            raise ModelError(
                "int8-vnni: this CPU's 8-bit products are wrong for such weights, so the variant "
                "cannot be checked here",
                "export it on a CPU with VNNI, or take int8",
            )
        target = graph.with_name(f"{graph.stem}_{name.replace('-', '_')}.onnx")
        made: dict[str, Any] = {}
        if name in INT8:
            done = quantize(graph, target, recipe.Recipe(limit=recipe.LIMITS[name]), seen)
            made = {"blocks": done.blocks, "other_products": done.products}
        else:
            made = {"blocks": halve(graph, target, fused=_pads_right(source.folder))}
        files = sorted(part for part in graph.parent.glob(f"{target.name}*"))
        found.entries[name] = {
            "file": str(target.relative_to(source.folder)),
            "files": [str(part.relative_to(source.folder)) for part in files],
        }
        session = Session(target, device="cpu", int8=name in INT8)

        def run(batch: Mapping[str, Array], session: Session = session) -> dict[str, Array]:
            outputs = session.outputs
            return dict(zip(outputs, session.run(batch, outputs), strict=True))

        close = compare_close(
            lambda batch: run({"token_type_ids": batch["input_ids"] * 0, **batch}),
            source.batches,
            source.expected,
            kind=source.task.kind,
            limits=LIMITS[name],
            pooling=source.pooling,
            head=source.head,
        )
        found.parity[name] = {**made, **close.to_json(source.reference)}
        if not close.passed:
            found.failed[name] = close
