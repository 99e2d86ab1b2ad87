"""One bundle, from weights to manifest: built in a temporary folder, moved once it is checked."""

from __future__ import annotations

import contextlib
import gc
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xlt.core.encode.encoder import Encoder
from xlt.core.files import atomic_folder
from xlt.core.inference.device import choose_device
from xlt.core.inference.head import Head
from xlt.core.inference.session import Session
from xlt.core.kinds.table import KINDS
from xlt.core.show.terminal import progress
from xlt.data import DataRoot
from xlt.export.checkpoint.weights import load_head, load_model
from xlt.export.files.finish import finish
from xlt.export.files.folder import write_model_files, write_sentence_files
from xlt.export.files.manifest import MODEL_FILE, failed_folder, keep_failed
from xlt.export.gate.parity import Run, compare, make_batches, reference
from xlt.export.gate.probe import gate_text
from xlt.export.graph.convert import Graph, convert
from xlt.export.graph.sentence import SentenceEncoder, cut_blocks
from xlt.export.plan import Job
from xlt.export.variants.write import Source
from xlt.export.vectors.fitting import fit_job

__all__ = ["Where", "build", "failed_folder", "gate_device"]

STEPS = ("load", "PyTorch", "convert", "compare")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where the gate computes: `cpu` or `cuda[:i]`, and with how many CPU threads."""

    device: str = "cpu"
    threads: int | None = None


def build(
    job: Job,
    *,
    root: DataRoot | None,
    where: Where,
    facts: Mapping[str, Any],
    precisions: Sequence[str] = ("fp32",),
) -> dict[str, Any]:
    """Write one bundle.

    Args:
        job: what to export, and where to.
        root: its dev text joins the gate; None for our own texts alone.
        where: device and threads of the gate.
        facts: what the manifest records of the export (its key, versions).
        precisions: the variants to write.

    Returns:
        Variant -> its parity record; fp32 is always checked.

    Raises:
        ModelError: the checkpoint cannot be loaded or converted.
        CheckFailed: the graph and PyTorch differ; what was built is at `<target>.failed`.
    """
    with (
        _threads(where.threads),
        progress(f"export {job.name}", len(STEPS), "steps") as tick,
        atomic_folder(job.target) as folder,
    ):
        model, head = load_model(job.checkpoint), load_head(job.checkpoint, job.steps)
        write_model_files(job, folder, architecture=type(model).__name__)
        encoder = Encoder.load(folder, max_length=job.max_length or job.task.max_length)
        inputs = ["input_ids", "attention_mask"] + ["token_type_ids"] * encoder.uses_types
        if root is not None and (job.sweep or job.post):
            job, head = fit_job(job, head, model=model, encoder=encoder, inputs=inputs, root=root)
            write_model_files(job, folder, architecture=type(model).__name__)
        if job.layer is not None:
            write_sentence_files(job, folder, max_length=encoder.max_length, head=head)
        tick(1)

        probes, text, dev_sha256 = gate_text(job.task, job.answers, encoder.max_length, root)
        batches = make_batches(encoder, job.task.kind, probes)
        kind = KINDS[job.task.kind]
        expected = reference(
            model,
            batches,
            outputs=kind.outputs,
            inputs=inputs,
            layer=job.layer,
            depth=job.checkpoint.depth,
            pooling=job.pooling,
            head=head,
            device=where.device,
        )
        tick(1)

        graph = convert(
            _graph_module(model, job, head),
            folder / MODEL_FILE,
            kind=kind,
            inputs=inputs,
            model_type=job.checkpoint.model_type,
        )
        del model
        gc.collect()
        tick(1)

        found = compare(
            _onnx_run(folder / MODEL_FILE, graph, where),
            batches,
            expected,
            kind=kind.name,
            pooling=job.pooling,
            head=head,
        )
        record = {"text": text, "dev_sha256": dev_sha256, **found.to_json()}
        if not found.passed:
            keep_failed(job, folder, found, record)
        source = Source(
            folder=folder,
            file=MODEL_FILE,
            names=graph.files,
            task=job.task,
            encoder=encoder,
            batches=batches,
            expected=expected,
            reference=record["reference"],
            pooling=job.pooling,
            head=head,
        )
        export = {**facts, **asdict(graph)}
        parity = finish(job, source, record, precisions=precisions, root=root, export=export)
        tick(1)
    shutil.rmtree(failed_folder(job.target), ignore_errors=True)
    return parity


def gate_device(device: str) -> str:
    """The device that the gate computes on: the CPU for auto, whose fp32 is exact.

    Raises:
        ModelError: the device is not there.
        UsageError: an unknown device name.
    """
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return choose_device(device, cuda_devices=found, auto="cpu")


def _graph_module(model: nn.Module, job: Job, head: Head) -> nn.Module:
    """What is traced: the model with its head, or the cut encoder with its pooling."""
    if job.layer is None:
        return model
    cut_blocks(model, job.layer, job.checkpoint.depth)
    return SentenceEncoder(model, pooling=str(job.pooling), head=head)


def _onnx_run(path: Path, graph: Graph, where: Where) -> Run:
    session = Session(path, device=where.device, threads=where.threads)

    def run(feeds: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: feeds[name] for name in graph.inputs}
        return dict(zip(graph.outputs, session.run(given, graph.outputs), strict=True))

    return run


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """PyTorch's CPU threads inside the block."""
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
