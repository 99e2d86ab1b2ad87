"""Loss and dev scores of a task, on the rows that serving uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xlt.core.encode.encoder import Encoder, Row, pad
from xlt.core.inference.batch import plan
from xlt.core.inference.decode import Label, Picked, Prediction, Tags, decode
from xlt.core.metrics.table import get_metric, measure
from xlt.core.tasks.examples import Choice, Example, Pair, Tagged
from xlt.core.tasks.table import KINDS, Task
from xlt.train.loop.batches import IGNORE
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
        ends = ((output.start_logits, targets[:, 0]), (output.end_logits, targets[:, 1]))
        losses = [
            nn.functional.cross_entropy(logits_BL.float(), at_B, reduction="sum")
            for logits_BL, at_B in ends
        ]
        return torch.stack(losses).mean()
    logits = output.logits.float()
    return nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]),
        targets.reshape(-1),
        ignore_index=IGNORE,
        reduction="sum",
    )


def dev_scores(
    model: nn.Module,
    encoder: Encoder,
    task: Task,
    examples: Sequence[Example],
    rows: Sequence[Row],
    part_tokens: int,
) -> dict[str, float]:
    """The task's metric on labelled examples, and the mean of its headline scores to select by.

    Args:
        model: in evaluation mode.
        encoder: the one that made `rows`.
        task: with labels resolved.
        examples: with gold parts.
        rows: of `examples`, in order.
        part_tokens: padded tokens through the model at once.
    """
    outputs = _outputs(model, encoder, task, rows, part_tokens)
    places: list[list[int]] = [[] for _ in examples]
    for place, row in enumerate(rows):
        places[row.item].append(place)
    predictions = [
        decode(task, i, example, [rows[k] for k in places[i]], [outputs[k] for k in places[i]])
        for i, example in enumerate(examples)
    ]
    gold, predicted = _comparable(examples, predictions)
    scores = measure(task.metric, gold, predicted, "en")
    headline = get_metric(task.metric).headline
    return {**scores, SELECTION: sum(scores[name] for name in headline) / len(headline)}


def _outputs(
    model: nn.Module, encoder: Encoder, task: Task, rows: Sequence[Row], part_tokens: int
) -> list[dict[str, np.ndarray]]:
    """Per row what the task's kind decodes from, padding removed, as the engine has it."""
    found: list[dict[str, np.ndarray]] = [{} for _ in rows]
    for batch in plan([row.ids.size for row in rows], max_tokens=part_tokens):
        output = forward(model, pad([rows[i] for i in batch], encoder.pad_id))
        arrays = {name: output[name].float().cpu().numpy() for name in KINDS[task.kind].outputs}
        for place, index in enumerate(batch):
            found[index] = {name: _unpadded(rows[index], a[place]) for name, a in arrays.items()}
    return found


def _unpadded(row: Row, array: np.ndarray) -> np.ndarray:
    if row.words is not None:
        return np.asarray(array[row.words])
    return array[: row.width] if row.offsets is not None else array


def _comparable(examples: Sequence[Example], predictions: Sequence[Prediction]) -> tuple[Any, Any]:
    """Gold and predictions in the shape that `xlt.core.metrics.table.measure` takes."""
    match examples[0], predictions[0]:
        case Pair(), Label():
            return [e.label for e in examples], [p.label for p in predictions]  # type: ignore[union-attr]
        case Choice(), Picked():
            gold = [str(e.label) for e in examples]  # type: ignore[union-attr]
            return gold, [str(p.index) for p in predictions]  # type: ignore[union-attr]
        case Tagged(), Tags():
            gold_tags = [list(e.tags or ()) for e in examples]  # type: ignore[union-attr]
            return gold_tags, [list(p.tags) for p in predictions]  # type: ignore[union-attr]
    answers = {e.id: [a.text for a in e.answers or ()] for e in examples}  # type: ignore[union-attr]
    texts = {e.id: p.text for e, p in zip(examples, predictions, strict=True)}  # type: ignore[union-attr]
    return answers, texts
