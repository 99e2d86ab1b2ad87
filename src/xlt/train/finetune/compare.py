"""Scores of written models beside each other: English dev, and dev sets of other languages.

What English dev chooses is what zero-shot transfer may choose. The best by the dev sets of the
target languages is an oracle: it has seen labels that the setting does not have, and says how much
selection costs (Keung et al. 2020). It goes by that name everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.families import family_of
from xlt.core.errors import ModelError
from xlt.core.kinds.table import KINDS, encode
from xlt.core.tasks.examples import Example
from xlt.core.tasks.table import Task
from xlt.train.finetune.scoring import SELECTION, dev_scores
from xlt.train.models import load_encoder, quiet

__all__ = ["ORACLE", "best_on_targets", "score_folder"]

ORACLE = "target-dev oracle"
PART_TOKENS = 1024


def score_folder(
    folder: Path,
    task: Task,
    sets: Mapping[str, Sequence[Example]],
    max_length: int,
    *,
    encoder: Path | None = None,
    device: torch.device | None = None,
) -> dict[str, dict[str, float]]:
    """Language -> scores of a model folder, `selection` (the headline's mean) among them.

    Args:
        folder: a Hugging Face folder with the task's head.
        task: with labels resolved.
        sets: language -> labelled examples.
        max_length: tokens per model input.
        encoder: a folder whose encoder takes the place of its own, below its head.
        device: where to compute; None: the CPU.
    """
    tokens = Encoder.load(folder, max_length=max_length)
    auto = getattr(transformers, str(KINDS[task.kind].auto_model))
    with quiet():
        model = auto.from_pretrained(folder).float().eval()
    if encoder is not None:
        _put_encoder(model, encoder)
    model.to(device or "cpu")
    found = {}
    with torch.no_grad():
        for lang, examples in sets.items():
            rows = encode(tokens, task.kind, examples)
            found[lang] = dev_scores(model, tokens, task, examples, rows, PART_TOKENS, lang)
    return found


def _put_encoder(model: Any, folder: Path) -> None:
    """Give a model the encoder of another folder; what lies above the last layer stays.

    A pooler lies above it, whether the architecture counts it to the encoder or to the head.

    Raises:
        ModelError: the encoders differ in their weights' names or shapes.
    """
    pooler = f"{family_of(model.config.model_type).pooler}."
    own = {n: t for n, t in model.base_model.state_dict().items() if not n.startswith(pooler)}
    given = load_encoder(folder).state_dict()
    if any(name not in given or given[name].shape != own[name].shape for name in own):
        raise ModelError(f"the encoder of {folder} has another shape", "start from the same model")
    model.base_model.load_state_dict({name: given[name] for name in own}, strict=False)


def best_on_targets(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """The name whose mean over the languages is highest, the first of equals.

    Args:
        scores: name -> language -> scores, of one set of languages.
    """
    return max(scores, key=lambda name: _mean(scores[name]))


def _mean(by_lang: Mapping[str, Mapping[str, float]]) -> float:
    return sum(scores[SELECTION] for scores in by_lang.values()) / len(by_lang)
