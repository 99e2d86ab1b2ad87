"""A sentence-transformers folder: its modules, pooling, prompts and limits, or why it is refused.

Folders of versions 2 to 6 are read: module paths were renamed, and poolings are flags or a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from xlt.core.errors import ModelError
from xlt.core.files import read_json

__all__ = [
    "SENTENCE_FILES", "DenseSettings", "SentenceSettings", "module_files", "read_sentence",
    "transformer_place",
]  # fmt: skip

MODULES, PROMPTS = "modules.json", "config_sentence_transformers.json"
# Where versions and architectures keep the longest input, in the order of the library.
LIMITS = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
SENTENCE_FILES = (MODULES, PROMPTS, *LIMITS)
LIBRARY = "sentence_transformers."
POOLING_FLAGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}
POOLING_NAMES = {"mean": "mean", "cls": "cls", "lasttoken": "last", "weightedmean": "weightedmean"}
# The library's classes -> names of `core.inference.head`.
ACTIVATIONS = {
    "Tanh": "tanh",
    "Identity": "identity",
    "ReLU": "relu",
    "GELU": "gelu",
    "Sigmoid": "sigmoid",
}
DENSE_FILES = ("config.json", "model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseSettings:
    """A linear layer after the pooling.

    Attributes:
        path: its folder, below the model's.
        activation: key of `core.inference.head.ACTIVATIONS`.
    """

    path: str
    inputs: int
    outputs: int
    activation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceSettings:
    """How a sentence-embedding model makes a vector of a text.

    Attributes:
        pooling: mean, cls, last or weightedmean.
        max_length: the most tokens it was made for; None: what tokenizer and positions allow.
        prompts: name -> what stands before a text; none where the pooling leaves prompts out.
        default_prompt: name of the prompt where nobody asks for one; None for none.
        steps: what follows the pooling; None stands for scaling to length 1. The scaling that
            ends every export is not among them.
        lower: whether texts are lowered before the tokenizer sees them.
    """

    pooling: str
    max_length: int | None
    prompts: Mapping[str, str]
    default_prompt: str | None = None
    steps: tuple[DenseSettings | None, ...] = ()
    lower: bool = False


def read_sentence(folder: Path) -> SentenceSettings | None:
    """The settings of a sentence-transformers folder; None for any other.

    Raises:
        ModelError: a module, a pooling or a setting that the bundle would not have.
    """
    if not (folder / MODULES).is_file():
        return None
    modules = _modules(folder)
    names = [name for name, _ in modules]
    if names[:2] != ["Transformer", "Pooling"] or set(names[2:]) - {"Dense", "Normalize"}:
        raise ModelError(
            f"{folder}/{MODULES} lists {' + '.join(names) or 'nothing'}; only "
            "Transformer + Pooling (+ Dense, Normalize) can be exported",
            "layers of other kinds and static embeddings are not supported",
        )
    limit, lower = _reading(folder / modules[0][1])
    settings = _object(folder / modules[1][1] / "config.json")
    prompts, default = (
        _prompts(folder / PROMPTS) if settings.get("include_prompt", True) else ({}, None)
    )
    steps = [None if name == "Normalize" else _dense(folder, path) for name, path in modules[2:]]
    while steps and steps[-1] is None:
        steps.pop()
    _check_widths(folder, settings, steps)
    return SentenceSettings(
        pooling=_pooling(folder, settings),
        max_length=limit,
        prompts=prompts,
        default_prompt=default,
        steps=tuple(steps),
        lower=lower,
    )


def transformer_place(folder: Path) -> str:
    """Where a model's own files lie, relative to the folder: "" beside modules.json.

    Folders of older versions keep them in `0_Transformer`.

    Raises:
        ModelError: see `read_sentence`.
    """
    if not (folder / MODULES).is_file():
        return ""
    return next((path for name, path in _modules(folder) if name == "Transformer"), "")


def module_files(folder: Path) -> list[str]:
    """Files of the modules, relative to the folder, whether they are there or not."""
    if not (folder / MODULES).is_file():
        return []
    return [f"{path}/{name}" for _, path in _modules(folder) if path for name in DENSE_FILES]


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Class and place of each module, in order.

    Raises:
        ModelError: not a list of modules, code of the model's own, or a place outside the folder.
    """
    where = folder / MODULES
    listed = read_json(where, ModelError)
    if not isinstance(listed, list) or not all(map(_is_module, listed)):
        raise ModelError(
            f"{where}: not a list of modules", "write it as sentence-transformers does"
        )
    found = []
    for module in listed:
        kind, path = module["type"], module.get("path", "")
        if not kind.startswith(LIBRARY):
            raise ModelError(
                f"{where} names code to run ({kind[:80]})",
                "code of a model is not run; only modules of sentence_transformers are known",
            )
        place = PurePosixPath(path)
        if place.is_absolute() or ".." in place.parts or "\\" in path:
            raise ModelError(f"{where}: {path!r} is outside the folder", "fetch the model again")
        found.append((kind.rpartition(".")[2], path))
    return found


def _is_module(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    return isinstance(entry.get("type"), str) and isinstance(entry.get("path", ""), str)


def _reading(folder: Path) -> tuple[int | None, bool]:
    """The longest input, and whether texts are lowered first.

    Raises:
        ModelError: the texts are to be read in a way that a bundle does not have.
    """
    path = next((folder / name for name in LIMITS if (folder / name).is_file()), None)
    if path is None:
        return None, False
    settings = _object(path)
    task = settings.get("transformer_task") or "feature-extraction"
    output = settings.get("module_output_name") or "token_embeddings"
    if task != "feature-extraction" or output != "token_embeddings":
        raise ModelError(
            f"{path}: transformer_task {task!r}, module_output_name {output!r}: not an encoder "
            "whose tokens are pooled",
            "name another model",
        )
    limit = settings.get("max_seq_length")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise ModelError(f"{path}: max_seq_length {limit!r} is no length", "write a number or null")
    return limit, bool(settings.get("do_lower_case"))


def _object(path: Path) -> dict[str, Any]:
    value = read_json(path, ModelError)
    if not isinstance(value, dict):
        raise ModelError(f"{path}: a JSON object is needed", "fetch or save the model again")
    return value


def _prompts(path: Path) -> tuple[dict[str, str], str | None]:
    """Name -> prompt, and the default's name.

    Prompts that put nothing before a text are left out, unless another is the default.
    """
    settings = _object(path) if path.is_file() else {}
    prompts = settings.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(p, str) for p in prompts.values()):
        raise ModelError(
            f"{path}: `prompts` is not an object of texts", "write it as sentence-transformers does"
        )
    default = settings.get("default_prompt_name") or None
    if default is not None and default not in prompts:
        raise ModelError(
            f"{path}: default_prompt_name {default!r} is none of its prompts "
            f"({', '.join(prompts) or 'none'})",
            "name one of them, or null",
        )
    if default is not None and not prompts[default]:
        default = None
    return {n: p for n, p in prompts.items() if p or default is not None}, default


def _pooling(folder: Path, settings: Mapping[str, Any]) -> str:
    modes = settings.get("pooling_mode")
    if modes is None:
        flags = [key for key, on in settings.items() if key.startswith("pooling_mode_") and on]
        known = [POOLING_FLAGS.get(flag) for flag in flags]
    else:
        flags = [modes] if isinstance(modes, str) else list(modes)
        known = [POOLING_NAMES.get(flag) for flag in flags]
    if len(known) != 1 or known[0] is None:
        raise ModelError(
            f"{folder}: pools by {' + '.join(map(str, flags)) or 'nothing'}; only mean, cls, last "
            "and weighted mean can be exported",
            "choose one with --pooling after editing 1_Pooling/config.json",
        )
    return known[0]


def _dense(folder: Path, path: str) -> DenseSettings:
    """A Dense layer's settings."""
    where = folder / path / "config.json"
    settings = _object(where)
    named = settings.get("activation_function", "torch.nn.modules.activation.Tanh")
    package, _, name = str(named or "torch.Identity").rpartition(".")
    activation = ACTIVATIONS.get(name) if package.split(".")[0] == "torch" else None
    if activation is None:
        raise ModelError(
            f"{where}: activation {named!r}", f"known are: {', '.join(ACTIVATIONS)} of torch.nn"
        )
    reads = settings.get("module_input_name") or "sentence_embedding"
    writes = settings.get("module_output_name") or reads
    if (reads, writes) != ("sentence_embedding", "sentence_embedding"):
        raise ModelError(
            f"{where}: reads {reads!r} and writes {writes!r}", "only layers after the pooling are"
            " exported",
        )  # fmt: skip
    sizes: list[Any] = [settings.get(key) for key in ("in_features", "out_features")]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ModelError(f"{where}: sizes {sizes} of a layer", "fetch or save the model again")
    return DenseSettings(
        path=path, inputs=int(sizes[0]), outputs=int(sizes[1]), activation=activation
    )


def _check_widths(
    folder: Path, pooling: Mapping[str, Any], steps: Sequence[DenseSettings | None]
) -> None:
    """Refuse layers of which one does not take what the one before gives."""
    width = pooling.get("word_embedding_dimension", pooling.get("embedding_dimension"))
    for step in steps:
        if step is None:
            continue
        if width is not None and step.inputs != width:
            raise ModelError(
                f"{folder / step.path}: takes {step.inputs} numbers, and is given {width}",
                "fetch or save the model again",
            )
        width = step.outputs
