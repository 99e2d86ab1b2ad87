"""Loss and dev scores of a task, on the rows that serving uses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row, pad
from xlt.core.inference.answer import answer, score
from xlt.core.inference.batch import plan
from xlt.core.kinds.base import Outputs
from xlt.core.kinds.table import kind_of
from xlt.core.metrics.table import headline_mean
from xlt.core.tasks.examples import Example
from xlt.core.tasks.table import Task
from xlt.train.loop.batches import IGNORE, alike
from xlt.train.loop.loop import Micro

__all__ = ["SELECTION", "dev_scores", "task_loss"]

SELECTION = "selection"


def forward(model: nn.Module, feeds: dict[str, np.ndarray]) -> Any:
    """The model's output for numpy inputs, on its device."""
    device = next(model.parameters()).device
    return model(**{name: torch.from_numpy(value).to(device) for name, value in feeds.items()})


def task_loss(model: nn.Module, micro: Micro) -> Tensor:
    """Summed cross-entropy of any kind: classes, choices, tags, or both ends of a span."""
    output = forward(model, micro.feeds)
    device = next(model.parameters()).device
    targets = torch.from_numpy(micro.targets).to(device)
    if "start_logits" in output:
        # padding is no answer: without this the loss of a row depends on what it is padded to
        padding_BL = torch.from_numpy(micro.feeds["attention_mask"] == 0).to(device)
        ends = ((output.start_logits, targets[:, 0]), (output.end_logits, targets[:, 1]))
        losses = [
            nn.functional.cross_entropy(
                _wide(logits_BL).masked_fill(padding_BL, -torch.inf), at_B, reduction="sum"
            )
            for logits_BL, at_B in ends
        ]
        return torch.stack(losses).mean()
    logits = _wide(output.logits)
    return nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]),
        targets.reshape(-1),
        ignore_index=IGNORE,
        reduction="sum",
    )


def _wide(logits: Tensor) -> Tensor:
    """Losses are taken in fp32 at least, whatever the model computed in."""
    return logits if logits.dtype == torch.float64 else logits.float()


def dev_scores(
    model: nn.Module,
    encoder: Encoder,
    task: Task,
    examples: Sequence[Example],
    rows: Sequence[Row],
    part_tokens: int,
    lang: str = "en",
) -> dict[str, float]:
    """The task's metric on labelled examples, and the mean of its headline scores to select by.

    Args:
        model: in evaluation mode.
        encoder: the one that made `rows`.
        task: with labels resolved.
        examples: with gold parts.
        rows: of `examples`, in order.
        part_tokens: padded tokens through the model at once.
        lang: of the examples; some metrics read answers by it.
    """
    run = partial(_outputs, model, encoder, task, part_tokens)
    scores = score(task, examples, answer(task, examples, rows, run), lang)
    selection = headline_mean(task.metric, scores)
    assert selection is not None, "dev examples have gold, so there is a score"
    return {**scores, SELECTION: selection}


def _outputs(
    model: nn.Module, encoder: Encoder, task: Task, part_tokens: int, rows: Sequence[Row]
) -> list[Outputs]:
    """Per row what the task's kind decodes from, padding removed, as the engine has it."""
    kind = kind_of(task)
    found: list[Outputs] = [{} for _ in rows]
    for group in alike(rows):
        for batch in plan([rows[i].ids.size for i in group], max_tokens=part_tokens):
            indices = [group[k] for k in batch]
            output = forward(model, pad([rows[i] for i in indices], encoder.pad_id))
            arrays = {name: output[name].float().cpu().numpy() for name in kind.outputs}
            for place, index in enumerate(indices):
                found[index] = kind.cut(rows[index], {name: a[place] for name, a in arrays.items()})
    return found
