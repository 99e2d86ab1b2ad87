"""A folder with an ONNX graph and no weights becomes a bundle: nothing is converted, no torch.

The graph is somebody else's, so there is nothing to compare it with but itself: every row of the
gate's texts alone and in padded batches, and the outputs that the task needs.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.encode.encoder import Encoder
from xlt.core.errors import ModelError, UsageError
from xlt.core.files import atomic_folder
from xlt.core.inference.head import Head, read_head
from xlt.core.inference.session import Session
from xlt.core.kinds.embed import SENTENCE, TOKEN_VECTORS
from xlt.core.kinds.table import kind_of
from xlt.data import DataRoot
from xlt.export.files.finish import finish
from xlt.export.files.folder import write_model_files, write_sentence_files
from xlt.export.files.manifest import MODEL_FILE, failed_folder, keep_failed
from xlt.export.gate.parity import Batch, compare, make_batches, pooled
from xlt.export.gate.probe import gate_text
from xlt.export.plan import Job
from xlt.export.variants.write import Source

__all__ = ["wrap", "wrapper_versions"]

Arrays = dict[str, NDArray[Any]]
EXPORTER = "none: the graph as it came"
REFERENCE = "the same graph, each row alone"


def wrapper_versions() -> dict[str, str]:
    """Versions of what looks at the graph."""
    known = ("onnxruntime", "onnxruntime-gpu", "onnx")
    found = {}
    for package in known:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def wrap(
    job: Job,
    *,
    root: DataRoot | None,
    device: str,
    threads: int | None,
    facts: Mapping[str, Any],
    precisions: Sequence[str] = ("fp32",),
) -> dict[str, Any]:
    """Write one bundle around a graph that is there.

    Args:
        job: what to export, and where to; `job.checkpoint.graph` is set.
        root: its dev text joins the gate; None for our own texts alone.
        device: where the gate computes; auto is the CPU.
        threads: CPU threads.
        facts: what the manifest records of the export (its key, versions).
        precisions: the variants to write.

    Returns:
        Variant -> its parity record; the graph as it came is always checked.

    Raises:
        UsageError: a graph that is finished cannot be cut.
        ModelError: not a graph, or not one of this task.
        CheckFailed: its answers depend on the batch; what was built is at `<target>.failed`.
    """
    if job.layer not in (None, job.checkpoint.depth):
        raise UsageError(
            f"--layer {job.layer}: {job.checkpoint.source} has a finished graph and no weights",
            "use --layer last, or export a checkpoint with weights",
        )
    source = job.checkpoint.model / str(job.checkpoint.graph)
    with atomic_folder(job.target) as folder:
        write_model_files(job, folder, architecture=job.checkpoint.architecture)
        head = _head(job)
        encoder = Encoder.load(folder, max_length=job.max_length or job.task.max_length)
        if job.layer is not None:
            write_sentence_files(job, folder, max_length=encoder.max_length, head=head)
        names = _copy(source, folder / MODEL_FILE)
        session = Session(
            folder / MODEL_FILE, device="cpu" if device == "auto" else device, threads=threads
        )
        _check_outputs(job, session)
        probes, text, dev_sha256 = gate_text(job.task, job.answers, encoder.max_length, root)
        batches = make_batches(encoder, job.task.kind, probes)
        run = _Runner(session, job, head)
        alone = [_alone(run, batch) for batch in batches]
        found = compare(
            run,
            batches,
            alone,
            kind=job.task.kind,
            pooling=job.pooling,
            head=head,
        )
        record = {
            "text": text,
            "dev_sha256": dev_sha256,
            **found.to_json(),
            "reference": REFERENCE,
        }
        if not found.passed:
            keep_failed(job, folder, found, record)
        whole = Source(
            folder=folder,
            file=MODEL_FILE,
            names=names,
            task=job.task,
            encoder=encoder,
            batches=batches,
            expected=alone,
            reference=REFERENCE,
            pooling=job.pooling,
            head=head,
        )
        export = {
            **facts,
            "exporter": EXPORTER,
            **_graph_facts(folder / MODEL_FILE),
            "inputs": list(session.inputs),
            "outputs": list(session.outputs),
            "files": names,
        }
        parity = finish(job, whole, record, precisions=precisions, root=root, export=export)
    shutil.rmtree(failed_folder(job.target), ignore_errors=True)
    return parity


def _head(job: Job) -> Head:
    steps = [
        {"type": "unit"}
        if step is None
        else {"type": "dense", "path": step.path, "activation": step.activation}
        for step in job.steps
    ]
    return read_head(job.checkpoint.path, steps)


def _copy(source: Path, target: Path) -> list[str]:
    """Copy a graph and the data files that are named after it."""
    target.parent.mkdir(parents=True)
    names = []
    for part in sorted(source.parent.glob(f"{source.name}*")):
        if part.name in (source.name, f"{source.name}_data", f"{source.name}.data"):
            shutil.copyfile(part, target.with_name(part.name))
            names.append(part.name)
    return names


def _check_outputs(job: Job, session: Session) -> None:
    """Refuse a graph that lacks what the task reads."""
    kind = kind_of(job.task)
    wanted = TOKEN_VECTORS if kind.vectors else kind.outputs
    found = set(wanted) & set(session.outputs)
    if not found or (not kind.vectors and found != set(wanted)):
        raise ModelError(
            f"{job.checkpoint.source}/{job.checkpoint.graph}: outputs "
            f"{', '.join(session.outputs)}; a {job.task.kind} task reads "
            f"{(' or ' if kind.vectors else ', ').join(wanted)}",
            "name another model, or give the --task that the graph was made for",
        )


class _Runner:
    """Feeds in, the outputs of the kind by name."""

    def __init__(self, session: Session, job: Job, head: Head) -> None:
        self.session, self.job, self.head = session, job, head
        kind = kind_of(job.task)
        self.tokens = next((n for n in TOKEN_VECTORS if n in session.outputs), "")
        self.names = (self.tokens,) if kind.vectors else kind.outputs
        self.vectors = kind.vectors
        if kind.vectors and SENTENCE in session.outputs:
            self.names = (self.tokens, SENTENCE)

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        given = dict(feeds)
        given.setdefault("token_type_ids", np.zeros_like(feeds["input_ids"]))
        arrays = dict(zip(self.names, self.session.run(given, self.names), strict=True))
        if not self.vectors:
            labels = self.job.task.labels
            if kind_of(self.job.task).classes and arrays["logits"].shape[-1] != len(labels):
                raise ModelError(
                    f"{self.job.checkpoint.source}/{self.job.checkpoint.graph}: "
                    f"{arrays['logits'].shape[-1]} classes, the task has {len(labels)} labels",
                    "give the --task that the graph was made for",
                )
            return arrays
        hidden = arrays[self.tokens]
        vectors = pooled(hidden, feeds["attention_mask"], str(self.job.pooling), self.head)
        sentence = arrays.get(SENTENCE, vectors)
        return {TOKEN_VECTORS[0]: hidden, SENTENCE: sentence / _lengths(sentence)}


def _lengths(vec_BD: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.linalg.norm(vec_BD, axis=1, keepdims=True))


def _alone(run: _Runner, batch: Batch) -> Arrays:
    """The outputs of a batch whose rows were computed one by one, without padding."""
    found: Arrays = {}
    mask = batch.feeds["attention_mask"]
    for row in range(len(batch.names)):
        width = int(mask[row].sum(-1).max())
        feeds = {name: array[row : row + 1, ..., :width] for name, array in batch.feeds.items()}
        arrays = run(feeds)
        if run.vectors:
            arrays = {SENTENCE: _pooled_row(run, arrays, feeds)}
        for name, array in arrays.items():
            if name not in found:
                shape = list(array.shape)
                shape[0] = len(batch.names)
                if array.ndim > 1 and array.shape[1] == width and not run.vectors:
                    shape[1] = mask.shape[-1]
                found[name] = np.zeros(shape, array.dtype)
            places = (row, slice(0, array.shape[1])) if array.ndim > 1 else (row,)
            found[name][places] = array[0]
    return found


def _pooled_row(run: _Runner, arrays: Arrays, feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The sentence's vector (1, D) as the engine makes it: pooled outside the graph."""
    mask_1L = feeds["attention_mask"]
    return pooled(arrays[TOKEN_VECTORS[0]], mask_1L, str(run.job.pooling), run.head)


def _graph_facts(path: Path) -> dict[str, Any]:
    """Opset and IR version, where the package onnx is there to read them.

    Raises:
        ModelError: onnx.checker rejects the graph.
    """
    if util.find_spec("onnx") is None:
        return {"opset": None, "ir": None}
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise ModelError(
            f"{path.name}: onnx.checker rejects the graph: {' '.join(str(error).split())[:200]}",
            "fetch the model again, or export it from its weights",
        ) from error
    model = onnx.load(str(path), load_external_data=False)
    opset = next(item.version for item in model.opset_import if item.domain in {"", "ai.onnx"})
    return {"opset": opset, "ir": model.ir_version}
