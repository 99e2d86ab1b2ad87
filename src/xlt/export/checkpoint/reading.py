"""What a checkpoint folder holds: its kind of task, labels, depth, and how it pools.

Everything is read from the small files (config.json, modules.json ...); weights are loaded by
`weights.py`, once the plan is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.artifacts.foreign import vet_folder
from xlt.core.artifacts.hub import prepare_hub
from xlt.core.encode.families import Family, family_of
from xlt.core.errors import ModelError
from xlt.core.extras import needs
from xlt.core.files import read_json, sha256_file, sha256_json
from xlt.core.kinds.embed import EMBED
from xlt.core.kinds.table import KINDS
from xlt.core.tasks.table import KindName
from xlt.export.checkpoint.kinds import EXPORTED

__all__ = ["Checkpoint", "SentenceSettings", "fetch", "read_checkpoint"]

HEADS = {head: name for name, row in EXPORTED.items() for head in row.heads}
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "sentencepiece.bpe.model",
    "spm.model",
    "added_tokens.json",
)
SENTENCE_FILES = (
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)
# sentence-transformers' names of what we can do in the graph; other ways are refused.
POOLING_FLAGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}
POOLING_NAMES = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceSettings:
    """How a sentence-embedding model pools, the most tokens it was made for, and its prompts.

    Attributes:
        prompts: name -> what stands before a text; none where the pooling leaves prompts out.
    """

    pooling: str
    max_length: int | None
    prompts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A folder that `AutoModelFor...from_pretrained` opens.

    Attributes:
        source: what the user named: a folder or a hub id.
        kind: key of `KINDS`, from the architecture's head; plain encoders are `embed`.
        labels: class names in the order of the logits; () for span, choice and embed.
        depth: transformer blocks.
        sentence: set for sentence-embedding models (a folder with modules.json).
    """

    path: Path
    source: str
    config: Mapping[str, Any]
    architecture: str
    kind: KindName
    labels: tuple[str, ...]
    depth: int
    sentence: SentenceSettings | None

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
        return _number(self.path, self.config, self.family.width, "how wide hidden states are")

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
        files = {p for name in names if (p := self.path / name).is_file()}
        for pattern in ("*.safetensors", "*.safetensors.index.json", "pytorch_model*"):
            files.update(self.path.glob(pattern))
        listed = {str(p.relative_to(self.path)): sha256_file(p) for p in files}
        return sha256_json(listed)


def read_checkpoint(folder: Path, *, source: str = "") -> Checkpoint:
    """Look at a checkpoint's small files.

    Args:
        folder: a Hugging Face model folder.
        source: how the user named it; default, the folder.

    Raises:
        ModelError: missing or foreign folder, no weights, no head that a task kind uses.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder", "name a run, a checkpoint folder or a hub id")
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} is not a checkpoint (no config.json)",
            "name a run, a folder that transformers can open, or a hub id",
        )
    vet_folder(folder, None)
    config = read_json(folder / "config.json", ModelError)
    if not isinstance(config, dict) or "model_type" not in config:
        raise ModelError(
            f"{folder}/config.json names no model_type", "is it a transformers checkpoint?"
        )
    if not any((folder / name).is_file() for name in WEIGHTS):
        raise ModelError(
            f"{folder} holds no weights (looked for {', '.join(WEIGHTS)})",
            "the checkpoint is incomplete; save or fetch it again",
        )
    sentence = _sentence_settings(folder)
    architecture = str((config.get("architectures") or [""])[0])
    kind: KindName = EMBED.name if sentence else _kind_of(folder, architecture)
    return Checkpoint(
        path=folder,
        source=source or str(folder),
        config=config,
        architecture=architecture,
        kind=kind,
        labels=_labels(folder, config) if KINDS[kind].classes else (),
        depth=_number(
            folder, config, family_of(config["model_type"]).depth, "how many blocks there are"
        ),
        sentence=sentence,
    )


def fetch(hub_id: str) -> Path:
    """The local folder of a hub model, downloaded into transformers' cache when it is not there.

    Raises:
        ModelError: no such model, or the hub cannot be reached.
        MissingExtra: transformers is not installed.
    """
    if not HUB_ID.fullmatch(hub_id):
        raise ModelError(f"{hub_id}: no such folder", "name a run, a checkpoint folder or a hub id")
    offline = prepare_hub()
    with needs("export", "reading checkpoints"):
        from transformers.utils import cached_file
    try:
        folder = Path(str(cached_file(hub_id, "config.json"))).parent
        optional = {"_raise_exceptions_for_missing_entries": False}
        for name in (*TOKENIZER_FILES, *SENTENCE_FILES):
            cached_file(hub_id, name, **optional)
        for name in WEIGHTS:  # the first that is there; safetensors before pickles
            found = cached_file(hub_id, name, **optional)
            if found and name.endswith(".index.json"):
                for part in sorted(set(read_json(Path(found), ModelError)["weight_map"].values())):
                    cached_file(hub_id, part)
            if found:
                break
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        if offline:
            raise ModelError(
                f"{hub_id}: no such folder, not in the hub's cache, and {offline}",
                "check the name and the connection, or give a local folder",
            ) from error
        raise ModelError(
            f"{hub_id}: neither a folder nor a hub model that can be fetched ({reason})",
            "check the name and the connection, or give a local folder",
        ) from error
    return folder


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


def _sentence_settings(folder: Path) -> SentenceSettings | None:
    """Pooling and length of a sentence-transformers folder; None for any other.

    Raises:
        ModelError: a module, a pooling or a prompt that the bundle would not have.
    """
    if not (folder / "modules.json").is_file():
        return None
    modules = read_json(folder / "modules.json", ModelError)
    names = [str(module["type"]).rpartition(".")[2] for module in modules]
    foreign = [name for name in names if name not in {"Transformer", "Pooling", "Normalize"}]
    if foreign or "Pooling" not in names:
        raise ModelError(
            f"{folder}/modules.json lists {' + '.join(names)}; only "
            "Transformer + Pooling (+ Normalize) can be exported",
            "a Dense layer and static embeddings are not supported",
        )
    own = folder / "config_sentence_transformers.json"
    prompting = read_json(own, ModelError) if own.is_file() else {}
    if prompting.get("default_prompt_name"):
        raise ModelError(
            f"{folder} puts a prompt before every text (default_prompt_name), a bundle does not",
            "remove default_prompt_name from config_sentence_transformers.json and write the "
            "prompt into your texts",
        )
    place = next(m["path"] for m in modules if str(m["type"]).endswith("Pooling"))
    settings = read_json(folder / place / "config.json", ModelError)
    limit: Any = None
    if (folder / "sentence_bert_config.json").is_file():
        limit = read_json(folder / "sentence_bert_config.json", ModelError).get("max_seq_length")
    prompts = _prompts(own, prompting) if settings.get("include_prompt", True) else {}
    return SentenceSettings(pooling=_pooling(folder, settings), max_length=limit, prompts=prompts)


def _prompts(path: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    """Name -> prompt; those that put nothing before a text are left out."""
    prompts = settings.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(p, str) for p in prompts.values()):
        raise ModelError(
            f"{path}: `prompts` is not an object of texts", "write it as sentence-transformers does"
        )
    return {name: prompt for name, prompt in prompts.items() if prompt}


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
            f"{folder}: pools by {' + '.join(flags) or 'nothing'}; only mean, cls and last can be "
            "exported",
            "choose one with --pooling after editing 1_Pooling/config.json",
        )
    return known[0]
