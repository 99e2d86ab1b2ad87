"""The small files of a bundle, in the places where other tools look for them.

config.json and the tokenizer make transformers, optimum and pipelines open the folder;
modules.json and 1_Pooling make `SentenceTransformer(path, backend="onnx")` open it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xlt.core.files import write_json
from xlt.core.kinds.table import kind_of
from xlt.export.checkpoint.weights import write_tokenizer
from xlt.export.plan import Job

__all__ = ["write_model_files", "write_sentence_files"]

POOLING_FLAGS = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
    "last": "pooling_mode_lasttoken",
}
# Private facts of the machine that saved the checkpoint, and what no longer holds.
DROPPED = ("_name_or_path", "torch_dtype", "dtype", "auto_map")
MODULES = ("Transformer", "Pooling", "Normalize")


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


def write_sentence_files(job: Job, folder: Path, *, max_length: int) -> None:
    """Write what sentence-transformers reads: its modules, pooling, longest input and prompts."""
    places = ("", "1_Pooling", "2_Normalize")
    modules = [
        {"idx": n, "name": str(n), "path": place, "type": f"sentence_transformers.models.{name}"}
        for n, (name, place) in enumerate(zip(MODULES, places, strict=True))
    ]
    write_json(folder / "modules.json", modules)
    write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": max_length, "do_lower_case": False},
    )
    if job.prompts:
        write_json(
            folder / "config_sentence_transformers.json",
            {"prompts": dict(job.prompts), "default_prompt_name": None},
        )
    flags = {flag: pooling == job.pooling for pooling, flag in POOLING_FLAGS.items()}
    write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": job.checkpoint.width, **flags},
    )
