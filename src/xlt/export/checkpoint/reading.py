"""What a checkpoint folder holds: its kind of task, labels, depth, and how it pools.

Everything is read from the small files (config.json, modules.json ...); weights are loaded by
`weights.py`, once the plan is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from xlt.core.artifacts.foreign import vet_folder
from xlt.core.encode.families import Family, family_of
from xlt.core.errors import ModelError
from xlt.core.files import read_json, sha256_file, sha256_json
from xlt.core.kinds.embed import EMBED
from xlt.core.kinds.table import KINDS
from xlt.core.tasks.table import KindName
from xlt.export.checkpoint.kinds import EXPORTED
from xlt.export.checkpoint.sentence import (
    SENTENCE_FILES,
    SentenceSettings,
    module_files,
    read_sentence,
    transformer_place,
)

__all__ = ["Checkpoint", "read_checkpoint"]

HEADS = {head: name for name, row in EXPORTED.items() for head in row.heads}
SAFE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
GRAPHS = ("onnx/model.onnx", "model.onnx")  # as optimum writes them
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "sentencepiece.bpe.model",
    "spm.model",
    "added_tokens.json",
)
SMALL_FILES = (*TOKENIZER_FILES, *SENTENCE_FILES, "README.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A folder that `AutoModelFor...from_pretrained` opens.

    Attributes:
        source: what the user named: a folder or a hub id.
        kind: key of `KINDS`, from the architecture's head; plain encoders are `embed`.
        labels: class names in the order of the logits; () for span, choice and embed.
        depth: transformer blocks.
        sentence: set for sentence-embedding models (a folder with modules.json).
        pickles: whether weights in pickles may be loaded.
        graph: an ONNX file that stands in for weights, relative to `model`; None with weights.
        place: where weights, config.json and tokenizer lie, relative to the folder: "" but for old
            sentence models.
    """

    path: Path
    source: str
    config: Mapping[str, Any]
    architecture: str
    kind: KindName
    labels: tuple[str, ...]
    depth: int
    sentence: SentenceSettings | None
    pickles: bool = False
    graph: str | None = None
    place: str = ""

    @property
    def model(self) -> Path:
        """The folder that transformers opens."""
        return self.path / self.place

    @property
    def model_type(self) -> str:
        """The architecture family, as transformers names it."""
        return str(self.config["model_type"])

    @property
    def family(self) -> Family:
        """What this architecture calls its parts, and what it allows."""
        return family_of(self.model_type)

    @property
    def width(self) -> int:
        """Numbers in a hidden state.

        Raises:
            ModelError: config.json does not say.
        """
        return _number(self.model, self.config, self.family.width, "how wide hidden states are")

    @property
    def public_name(self) -> str:
        """The hub id, or the folder's name: nothing of this machine."""
        return self.path.resolve().name if self.is_local else self.source

    @property
    def is_local(self) -> bool:
        """Whether the user named a folder, not a hub id."""
        return self.source == str(self.path)

    def sha256(self) -> str:
        """One hash over every file that shapes the bundle: weights, configuration, tokenizer."""
        names = {"config.json", *TOKENIZER_FILES, *SENTENCE_FILES}
        places = [self.path / name for name in (*SENTENCE_FILES, *module_files(self.path))]
        files = {p for p in (*places, *(self.model / name for name in names)) if p.is_file()}
        graphs = (f"{self.graph}*",) if self.graph else ()
        for pattern in ("*.safetensors", "*.safetensors.index.json", "pytorch_model*", *graphs):
            files.update(self.model.glob(pattern))
        listed = {str(p.relative_to(self.path)): sha256_file(p) for p in files}
        return sha256_json(listed)


def read_checkpoint(folder: Path, *, source: str = "", pickles: bool = False) -> Checkpoint:
    """Look at a checkpoint's small files.

    Args:
        folder: a Hugging Face model folder.
        source: how the user named it; default, the folder.
        pickles: whether weights in pickles (pytorch_model.bin) may be loaded.

    Raises:
        ModelError: missing or foreign folder, no weights, no head that a task kind uses.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder", "name a run, a checkpoint folder or a hub id")
    place = transformer_place(folder)
    model = folder / place
    if not (model / "config.json").is_file():
        raise ModelError(
            f"{model} is not a checkpoint (no config.json)",
            "name a run, a folder that transformers can open, or a hub id",
        )
    vet_folder(model, None)
    config = read_json(model / "config.json", ModelError)
    if not isinstance(config, dict) or "model_type" not in config:
        raise ModelError(
            f"{model}/config.json names no model_type", "is it a transformers checkpoint?"
        )
    graph = _graph_of(model, pickles)
    sentence = read_sentence(folder)
    architecture = str((config.get("architectures") or [""])[0])
    kind: KindName = EMBED.name if sentence else _kind_of(model, architecture)
    return Checkpoint(
        path=folder,
        source=source or str(folder),
        config=config,
        architecture=architecture,
        kind=kind,
        labels=_labels(model, config) if KINDS[kind].classes else (),
        depth=_number(
            model, config, family_of(config["model_type"]).depth, "how many blocks there are"
        ),
        sentence=sentence,
        pickles=pickles,
        graph=graph,
        place=place,
    )


def parts_of(index: Any, name: str) -> list[str]:
    """Names of the files that an index of weights lists.

    Raises:
        ModelError: not an index, or a name that is not one of a file beside it.
    """
    table = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(table, dict):
        raise ModelError(f"{name}: not an index of weights", "fetch or save the model again")
    parts = sorted({str(part) for part in table.values()})
    outside = [part for part in parts if PurePosixPath(part).name != part or "\\" in part]
    if outside:
        raise ModelError(
            f"{name}: {outside[0]!r} is not the name of a file beside it", "fetch the model again"
        )
    return parts


def _graph_of(folder: Path, pickles: bool) -> str | None:
    """The ONNX file to wrap where a folder has no weights; None where it has.

    Raises:
        ModelError: neither, or only weights in pickles, which were not allowed.
    """
    for name in (*SAFE_WEIGHTS, *PICKLES):
        if (folder / name).is_file() and name.endswith(".index.json"):
            parts_of(read_json(folder / name, ModelError), str(folder / name))
    if any((folder / name).is_file() for name in SAFE_WEIGHTS):
        return None
    pickled = [name for name in PICKLES if (folder / name).is_file()]
    if pickled and pickles:
        return None
    graph = next((name for name in GRAPHS if (folder / name).is_file()), None)
    if graph is not None:
        return graph
    if pickled:
        raise ModelError(
            f"{folder} has its weights in a pickle ({pickled[0]}), which can run code",
            "take a model with model.safetensors; --allow-pickle loads it all the same",
        )
    looked = ", ".join((*SAFE_WEIGHTS, *PICKLES, *GRAPHS))
    raise ModelError(
        f"{folder} holds no weights (looked for {looked})",
        "the checkpoint is incomplete; save or fetch it again",
    )


def _kind_of(folder: Path, architecture: str) -> KindName:
    for suffix, kind in HEADS.items():
        if architecture.endswith(suffix):
            return kind
    known = ", ".join(f"...{suffix}" for suffix in HEADS)
    named = f"has the architecture {architecture!r}" if architecture else "names no architecture"
    raise ModelError(
        f"{folder}/config.json {named}; only {known} can be exported", "name another model"
    )


def _labels(folder: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    table = config.get("id2label") or {0: "LABEL_0", 1: "LABEL_1"}  # transformers' default
    try:
        ordered = sorted((int(index), str(label)) for index, label in table.items())
    except (AttributeError, ValueError) as error:
        raise ModelError(
            f"{folder}/config.json: id2label is not a table of numbers to names ({error})",
            "write it as transformers does",
        ) from error
    if [index for index, _ in ordered] != list(range(len(ordered))):
        raise ModelError(
            f"{folder}/config.json: id2label does not count 0..{len(ordered) - 1}",
            "name every class of the head",
        )
    return tuple(label for _, label in ordered)


def _number(folder: Path, config: Mapping[str, Any], keys: Sequence[str], what: str) -> int:
    """The first of the keys that holds a number."""
    for key in keys:
        if isinstance(config.get(key), int):
            return int(config[key])
    raise ModelError(
        f"{folder}/config.json does not say {what} ({', '.join(keys)})",
        "name an encoder that transformers knows",
    )
