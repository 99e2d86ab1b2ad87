"""Models in and out: Hugging Face folders, fresh heads on a carried-over encoder.

A phase hands over its encoder only; the head of the phase before is dropped, as in X-STILTs
(Phang et al. 2020).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoTokenizer
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.utils import cached_file

from xlt.core.artifacts.foreign import vet_folder
from xlt.core.artifacts.hub import prepare_hub
from xlt.core.encode.families import family_of
from xlt.core.errors import ModelError, UsageError, XltError
from xlt.core.files import atomic_folder
from xlt.core.kinds.table import KINDS
from xlt.core.tasks.table import Task
from xlt.train.workers import workers

__all__ = [
    "check_head",
    "check_source",
    "fresh_head",
    "load_encoder",
    "masked_lm_head",
    "save_folder",
    "saving",
    "tokenizer_files",
    "weights",
    "write_folder",
]

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
)
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
HUB_HINT = "check the name and the connection, or give a local folder"
HINT = "--model takes a hub id, a folder with config.json and weights, or a run"


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' warnings and progress bars inside the block."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)


@contextmanager
def _loading(source: str | Path, what: str, hint: str) -> Iterator[None]:
    """Turn what loading raises into one error; a hub that is not there is asked once.

    Raises:
        ModelError: the block fails.
    """
    offline = "" if Path(source).is_dir() else prepare_hub()
    try:
        _vet(source)
        yield
    except XltError:
        raise
    except Exception as error:  # converters raise what they like, TypeError included
        if offline and isinstance(error, OSError):
            raise ModelError(
                f"cannot load a {what} from {str(source)!r}: not in the hub's cache, and {offline}",
                HUB_HINT,
            ) from error
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"cannot load a {what} from {str(source)!r}: {reason}",
            hint if Path(source).is_dir() else HUB_HINT,
        ) from error


def _vet(source: str | Path) -> None:
    """Read the configurations of a model before transformers acts on them.

    Raises:
        ModelError: they name code to run, an unknown architecture, or absurd sizes.
        OSError: the hub or its cache does not have the model.
    """
    folder = Path(source)
    if not folder.is_dir():
        missing = {"_raise_exceptions_for_missing_entries": False}
        cached_file(str(source), "tokenizer_config.json", **missing)
        folder = Path(str(cached_file(str(source), "config.json"))).parent
    vet_folder(folder, CONFIG_MAPPING_NAMES)


def check_source(source: str | Path) -> None:
    """Look at a hub id or folder without loading weights: its configuration and its tokenizer.

    Raises:
        ModelError: either is missing, or a folder holds no weights.
    """
    with _loading(source, "model", HINT):
        AutoConfig.from_pretrained(str(source))
    folder = Path(source)
    if folder.is_dir() and not any(any(folder.glob(pattern)) for pattern in WEIGHTS):
        raise ModelError(
            f"{str(source)!r} holds no weights (looked for {', '.join(WEIGHTS)})",
            "give a complete checkpoint",
        )
    with tempfile.TemporaryDirectory() as copy:
        tokenizer_files(source, Path(copy))


def load_encoder(source: str | Path) -> Any:
    """The encoder of a hub id or a folder, without any head, in fp32.

    A pooler that the checkpoint lacks is left out, not drawn at random.

    Raises:
        ModelError: nothing there, or not a model that transformers can open.
    """
    with _loading(source, "model", HINT), quiet():
        encoder, report = AutoModel.from_pretrained(str(source), output_loading_info=True)
    missing = sorted(report["missing_keys"])
    pooler = family_of(encoder.config.model_type).pooler
    if missing and all(name.startswith(f"{pooler}.") for name in missing):
        setattr(encoder, pooler, None)
    elif missing:
        raise ModelError(
            f"{str(source)!r} lacks weights: {', '.join(missing[:3])} ({len(missing)} in all)",
            "give a complete checkpoint",
        )
    return encoder.float()


def check_head(folder: Path, task: Task) -> None:
    """Whether the architecture in a folder has a head of the task's kind; no weight is made.

    Raises:
        ModelError: it has none.
    """
    with torch.device("meta"):
        _from_config(AutoConfig.from_pretrained(folder), task)


def _from_config(config: Any, task: Task, attention: str = "sdpa") -> Any:
    """A random model of the task's kind.

    Raises:
        ModelError: the architecture has no head of this kind.
    """
    auto = getattr(transformers, str(KINDS[task.kind].auto_model))
    try:
        with quiet():
            # sdpa is what transformers takes of its own accord where the architecture has it
            asked = {} if attention == "sdpa" else {"attn_implementation": attention}
            return auto.from_config(config, **asked)
    except ValueError as error:
        raise ModelError(
            f"{config.model_type} models have no head for {task.name} (kind {task.kind})",
            "choose another --model for this task",
        ) from error


def fresh_head(
    folder: Path,
    task: Task,
    seed: int,
    dropout: float | None = None,
    attention: str = "sdpa",
) -> Any:
    """A model of the task's kind: the folder's encoder under a newly drawn head.

    Args:
        folder: Hugging Face folder; a head in it is ignored.
        task: with its labels resolved.
        seed: decides the head.
        dropout: in place of what the folder's configuration says.
        attention: sdpa, where the architecture has it, or eager.

    Raises:
        ModelError: the architecture has no head of this kind.
    """
    config = AutoConfig.from_pretrained(folder)
    if task.labels:
        config.id2label = dict(enumerate(task.labels))
        config.label2id = {label: index for index, label in enumerate(task.labels)}
    elif (width := KINDS[task.kind].n_outputs) is not None:
        config.num_labels = width
    family = family_of(config.model_type)
    if dropout is not None:
        for name in family.dropout:
            setattr(config, name, dropout)
    torch.manual_seed(seed)
    model = _from_config(config, task, attention)
    encoder = load_encoder(folder)
    own = model.base_model.state_dict()
    given = encoder.state_dict()
    pooler = f"{family.pooler}."
    lacking = [name for name in own if name not in given and not name.startswith(pooler)]
    if lacking:
        raise ModelError(f"{folder} lacks weights of the encoder: {lacking[:3]}", "train it again")
    model.base_model.load_state_dict({n: t for n, t in given.items() if n in own}, strict=False)
    return model.float()


def masked_lm_head(source: str | Path) -> dict[str, Tensor] | None:
    """What a checkpoint's masked LM has on top of its encoder; None when it has nothing.

    Weights that are tied to the token embeddings are not among them.
    """
    try:
        with quiet():
            model, report = AutoModelForMaskedLM.from_pretrained(
                str(source), output_loading_info=True
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError):
        return None
    prefix = f"{model.base_model_prefix}."
    tied = model.get_input_embeddings().weight.data_ptr()
    head = {
        name: tensor.float().clone().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.startswith(prefix) and tensor.data_ptr() != tied
    }
    return None if set(head) & set(report["missing_keys"]) else head


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Turn a file that cannot be written into an error for the user; safetensors has its own.

    Raises:
        UsageError: names the file and what needs less.
    """
    try:
        yield
    except (SafetensorError, OSError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UsageError(
            f"cannot write {path}: {reason}",
            "free some space, choose another --out, or train fewer phases and targets in one run; "
            "what was finished before is kept",
        ) from error


def save_folder(model: Any, tokenizer: Path, target: Path) -> None:
    """Write a Hugging Face folder as a whole: weights, configuration, tokenizer files.

    Of several processes the leader writes, and all go on when it is there.
    """
    if not workers().leads:
        return workers().wait()
    write_folder(model, tokenizer, target)
    return workers().wait()


def write_folder(
    model: Any, tokenizer: Path, target: Path, state: dict[str, Tensor] | None = None
) -> None:
    """As `save_folder`, in the process that leads alone; `state` in place of the weights."""
    with atomic_folder(target) as folder, saving(target), quiet():
        model.save_pretrained(folder, safe_serialization=True, state_dict=state)
        for name in TOKENIZER_FILES:
            if (tokenizer / name).is_file():
                shutil.copyfile(tokenizer / name, folder / name)
        for file in folder.iterdir():
            file.chmod(0o644)  # safetensors writes files that only the owner reads


def tokenizer_files(source: str | Path, folder: Path) -> None:
    """Write the source's fast tokenizer into `folder`.

    Raises:
        ModelError: the source has no tokenizer, or none that saves as tokenizer.json.
    """
    with _loading(source, "tokenizer", "the folder needs tokenizer.json"), quiet():
        tokenizer = AutoTokenizer.from_pretrained(str(source), use_fast=True)
    tokenizer.save_pretrained(folder)
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(
            f"{str(source)!r} has no fast tokenizer (tokenizer.json)",
            "convert it with transformers' AutoTokenizer first",
        )


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and saved buffers by name, tied ones once."""
    seen: set[int] = set()
    found: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen or tensor.numel() == 0:
            seen.add(tensor.data_ptr())
            found[name] = tensor
    return found
