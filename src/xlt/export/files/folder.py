"""The small files of a bundle, in the places where other tools look for them.

config.json and the tokenizer make transformers, optimum and pipelines open the folder;
modules.json and 1_Pooling make `SentenceTransformer(path, backend="onnx")` open it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xlt.core.artifacts.tensors import write_tensors
from xlt.core.files import write_json
from xlt.core.inference.head import WEIGHTS, Dense, Head
from xlt.core.kinds.table import kind_of
from xlt.export.checkpoint.sentence import ACTIVATIONS, DenseSettings
from xlt.export.checkpoint.tokenizer import lowers, write_tokenizer
from xlt.export.plan import Job

__all__ = ["after_pooling", "write_model_files", "write_sentence_files"]

POOLING_FLAGS = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
    "last": "pooling_mode_lasttoken",
    "weightedmean": "pooling_mode_weightedmean_tokens",
}
# Private facts of the machine that saved the checkpoint, and what no longer holds.
DROPPED = ("_name_or_path", "torch_dtype", "dtype", "auto_map")


def write_model_files(job: Job, folder: Path, *, architecture: str) -> None:
    """Write the tokenizer and config.json.

    Args:
        job: what is exported.
        folder: the bundle.
        architecture: class name of the exported model.
    """
    write_tokenizer(job.checkpoint, folder)
    write_json(folder / "config.json", bundle_config(job, architecture))


def bundle_config(job: Job, architecture: str) -> dict[str, Any]:
    """config.json of what the graph holds: blocks up to K, labels as the task spells them."""
    config: dict[str, Any] = {
        key: value for key, value in job.checkpoint.config.items() if key not in DROPPED
    }
    config["architectures"] = [architecture]
    if job.layer is not None:
        family = job.checkpoint.family
        config |= {key: job.layer for key in family.depth if key in config}
        config |= {key: config[key][: job.layer] for key in family.per_block if key in config}
    if kind_of(job.task).classes:
        config["id2label"] = {str(index): label for index, label in enumerate(job.task.labels)}
        config["label2id"] = {label: index for index, label in enumerate(job.task.labels)}
    return config


def write_sentence_files(job: Job, folder: Path, *, max_length: int, head: Head) -> None:
    """Write what sentence-transformers reads: its modules, pooling, longest input and prompts.

    The layers after the pooling are written with their weights, which the engine reads as well.
    """
    places = [*(("Transformer", ""), ("Pooling", "1_Pooling")), *_steps(job.steps)]
    places.append(("Normalize", f"{len(places)}_Normalize"))
    modules = [
        {"idx": n, "name": str(n), "path": place, "type": f"sentence_transformers.models.{name}"}
        for n, (name, place) in enumerate(places)
    ]
    write_json(folder / "modules.json", modules)
    write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": max_length, "do_lower_case": lowers(job.checkpoint)},
    )
    if job.prompts:
        write_json(
            folder / "config_sentence_transformers.json",
            {"prompts": dict(job.prompts), "default_prompt_name": job.default_prompt},
        )
    flags = {flag: pooling == job.pooling for pooling, flag in POOLING_FLAGS.items()}
    write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": job.checkpoint.width, **flags},
    )
    for layer, (_, place) in zip(head.steps, _steps(job.steps), strict=True):
        if layer is not None:
            write_tensors(
                folder / place / WEIGHTS,
                {"linear.weight": layer.weight_OI, "linear.bias": layer.bias_O},
            )
            write_json(folder / place / "config.json", _dense_config(layer))


def after_pooling(steps: Sequence[DenseSettings | None]) -> list[dict[str, str]]:
    """The manifest's list of what follows the pooling."""
    return [
        {"type": "unit"}
        if step is None
        else {"type": "dense", "path": place, "activation": step.activation}
        for step, (_, place) in zip(steps, _steps(steps), strict=True)
    ]


def _steps(steps: Sequence[DenseSettings | None]) -> list[tuple[str, str]]:
    """Class and folder of each step; the transformer and the pooling stand before them."""
    names = ["Normalize" if step is None else "Dense" for step in steps]
    return [(name, f"{number}_{name}") for number, name in enumerate(names, 2)]


def _dense_config(layer: Dense) -> dict[str, Any]:
    outputs, inputs = layer.weight_OI.shape
    name = next(theirs for theirs, ours in ACTIVATIONS.items() if ours == layer.activation)
    package = "torch.nn.modules." + ("linear" if name == "Identity" else "activation")
    return {
        "in_features": inputs,
        "out_features": outputs,
        "bias": True,
        "activation_function": f"{package}.{name}",
    }
