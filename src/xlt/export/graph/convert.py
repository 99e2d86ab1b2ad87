"""PyTorch module -> ONNX file: through optimum, or straight through torch where optimum cannot.

Optimum knows the inputs and the exporter patches of an architecture. Where it has no entry for a
task (ModernBERT question answering) or does not import (transformers 5), `torch.onnx.export`
writes the same graph; both ways pass the same parity gate.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xlt.core.errors import MissingExtra, ModelError
from xlt.core.install import pip_line
from xlt.core.kinds.base import Kind
from xlt.export.checkpoint.kinds import EXPORTED

__all__ = ["OPSET", "Graph", "convert", "exporter_versions"]

OPSET = 18
# The data file of weights above 2 GB, the name optimum and transformers.js expect.
DATA_SUFFIX = "_data"
TRACE_SHAPE = {"batch_size": 2, "sequence_length": 16, "num_choices": 4}
LOG = logging.getLogger(__name__)
Axes = dict[str, dict[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Facts of a written ONNX file.

    Attributes:
        exporter: `optimum` or `torch`.
        files: the files it consists of, relative to the folder of the model file.
    """

    exporter: str
    opset: int
    ir: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    files: tuple[str, ...]


def exporter_versions() -> dict[str, str]:
    """Versions of everything that shapes the graph; a package that is not there is left out.

    Raises:
        MissingExtra: a package that every export needs is not installed.
    """
    found = {}
    for package in ("torch", "transformers", "onnx", "optimum", "optimum-onnx"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError as error:
            if package in {"torch", "transformers", "onnx"}:
                raise MissingExtra(package, "export", "conversion to ONNX") from error
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingExtra("onnxruntime", "cpu", f"on NVIDIA machines: {pip_line('gpu')}")
    return found


def convert(
    model: nn.Module, path: Path, *, kind: Kind, inputs: Sequence[str], model_type: str
) -> Graph:
    """Write `model` as an ONNX file with dynamic batch and sequence axes.

    Args:
        model: a transformers model with the kind's head, or a `SentenceEncoder`.
        path: the file; weights above 2 GB go to `<path>_data` beside it.
        kind: the task kind, which fixes the outputs.
        inputs: names of the model inputs, in the order of `model.forward`.
        model_type: transformers' name of the architecture.

    Raises:
        ModelError: the exporter cannot write this architecture, or the file fails onnx.checker.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    model.eval()
    with _quiet():
        config = _optimum_config(model, kind, inputs, model_type)
        try:
            if config is None:
                _export_with_torch(model, path, kind, inputs)
            else:
                _export_with_optimum(model, config, path)
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            raise ModelError(
                f"{model_type}: the ONNX exporter failed: {_one_line(error)}",
                "-v shows where; if it is a fault of xlt, please report the architecture",
            ) from error
    return _checked(path, "torch" if config is None else "optimum")


def _optimum_config(
    model: nn.Module, kind: Kind, inputs: Sequence[str], model_type: str
) -> Any | None:
    """Optimum's export configuration, or None where it has none or cannot be used."""
    try:
        import optimum.exporters.onnx.convert  # noqa: F401  (fails here, not half-way)
        from optimum.exporters.tasks import TasksManager
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and "optimum" in (error.name or "")
        if missing and metadata.version("transformers") < "5":
            raise MissingExtra("optimum-onnx", "export", "conversion to ONNX") from error
        LOG.info("optimum cannot be used: %s", error)  # it lags behind transformers
        return None
    try:
        constructor = TasksManager.get_exporter_config_constructor(
            exporter="onnx",
            model_type=model_type,
            task=kind.onnx_task,
            library_name="transformers",
        )
    except (KeyError, ValueError):
        return None
    known = type(constructor(model.config))
    # Ours: no input that the tokenizer does not give, and the sentence encoder's second output.
    ours: dict[str, Any] = {
        "inputs": property(lambda self: _only(known.inputs.fget(self), inputs)),
    }
    if kind.vectors:
        ours["outputs"] = property(lambda self: _output_axes(kind))
    return type(known.__name__, (known,), ours)(model.config, task=kind.onnx_task)


def _only(axes: Axes, names: Sequence[str]) -> Axes:
    return {name: value for name, value in axes.items() if name in names}


def _export_with_optimum(model: nn.Module, config: Any, path: Path) -> None:
    from optimum.exporters.onnx.convert import export

    export(model, config, path, opset=OPSET, input_shapes=dict(TRACE_SHAPE))


class _Named(nn.Module):
    """A model as the tracer wants it: positional tensors in, a tuple of the outputs out."""

    def __init__(self, model: nn.Module, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        self.model, self.inputs, self.outputs = model, tuple(inputs), tuple(outputs)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        out = self.model(**dict(zip(self.inputs, tensors, strict=True)))
        return tuple(out[name] for name in self.outputs)


def _export_with_torch(model: nn.Module, path: Path, kind: Kind, inputs: Sequence[str]) -> None:
    known = inspect.signature(model.forward).parameters
    names = [name for name in inputs if name in known]
    outputs = tuple(EXPORTED[kind.name].axes)
    axes = dict(EXPORTED[kind.name].inputs)
    shape = tuple(TRACE_SHAPE[axes[place]] for place in sorted(axes))
    make = {"input_ids": torch.ones, "attention_mask": torch.ones, "token_type_ids": torch.zeros}
    tensors = tuple(make[name](shape, dtype=torch.int64) for name in names)
    with torch.no_grad():
        torch.onnx.export(
            _Named(model, names, outputs).eval(),
            tensors,
            str(path),
            input_names=names,
            output_names=list(outputs),
            dynamic_axes={**dict.fromkeys(names, axes), **_output_axes(kind)},
            opset_version=OPSET,
            do_constant_folding=True,
            dynamo=False,
        )
    _gather_weights(path)


def _output_axes(kind: Kind) -> Axes:
    """Names of the dynamic axes of each output."""
    return {name: dict(axes) for name, axes in EXPORTED[kind.name].axes.items()}


def _gather_weights(path: Path) -> None:
    """Above 2 GB the tracer writes one file a weight; make them one file beside the graph."""
    import onnx

    loose = [part for part in path.parent.iterdir() if part != path]
    if not loose:
        return
    model = onnx.load(str(path), load_external_data=True)
    onnx.save(
        model,
        str(path),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=path.name + DATA_SUFFIX,
        size_threshold=100,
        convert_attribute=True,
    )
    for part in loose:
        part.unlink()


def _checked(path: Path, exporter: str) -> Graph:
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise ModelError(
            f"{path.name}: onnx.checker rejects the graph: {_one_line(error)}",
            "this is a fault of the exporter; please report the architecture",
        ) from error
    for part in path.parent.iterdir():
        part.chmod(0o644)  # onnx writes external data for its owner only
    model = onnx.load(str(path), load_external_data=False)
    opset = next(item.version for item in model.opset_import if item.domain in {"", "ai.onnx"})
    return Graph(
        exporter=exporter,
        opset=opset,
        ir=model.ir_version,
        inputs=tuple(value.name for value in model.graph.input),
        outputs=tuple(value.name for value in model.graph.output),
        files=tuple(sorted(part.name for part in path.parent.iterdir())),
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the tracer's remarks (constants, deprecations); errors still come through."""
    noisy = [logging.getLogger(name) for name in ("torch.onnx", "optimum", "transformers")]
    levels = [logger.level for logger in noisy]
    try:
        for logger in noisy:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
