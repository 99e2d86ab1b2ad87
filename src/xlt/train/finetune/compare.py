"""Scores of written models beside each other: English dev, and dev sets of other languages.

What English dev chooses is what zero-shot transfer may choose. The best by the dev sets of the
target languages is an oracle: it has seen labels that the setting does not have, and says how much
selection costs (Keung et al. 2020). It goes by that name everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import transformers

from xlt.core.encode.encoder import Encoder
from xlt.core.kinds.table import KINDS, encode
from xlt.core.tasks.examples import Example
from xlt.core.tasks.table import Task
from xlt.train.finetune.scoring import SELECTION, dev_scores
from xlt.train.models import quiet

__all__ = ["ORACLE", "best_on_targets", "score_folder"]

ORACLE = "target-dev oracle"
PART_TOKENS = 1024


def score_folder(
    folder: Path, task: Task, sets: Mapping[str, Sequence[Example]], max_length: int
) -> dict[str, dict[str, float]]:
    """Language -> scores of a model folder, `selection` (the headline's mean) among them.

    Args:
        folder: a Hugging Face folder with the task's head.
        task: with labels resolved.
        sets: language -> labelled examples.
        max_length: tokens per model input.
    """
    encoder = Encoder.load(folder, max_length=max_length)
    auto = getattr(transformers, str(KINDS[task.kind].auto_model))
    with quiet():
        model = auto.from_pretrained(folder).float().eval()
    found = {}
    with torch.no_grad():
        for lang, examples in sets.items():
            rows = encode(encoder, task.kind, examples)
            found[lang] = dev_scores(model, encoder, task, examples, rows, PART_TOKENS, lang)
    return found


def best_on_targets(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """The name whose mean over the languages is highest, the first of equals.

    Args:
        scores: name -> language -> scores, of one set of languages.
    """
    return max(scores, key=lambda name: _mean(scores[name]))


def _mean(by_lang: Mapping[str, Mapping[str, float]]) -> float:
    return sum(scores[SELECTION] for scores in by_lang.values()) / len(by_lang)
