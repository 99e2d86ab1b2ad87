"""The gate of every export: ONNX Runtime and PyTorch give the same answers to the same rows.

Both see real text, at several shapes and with padding. The pooled hidden state of the reference
is computed here, in numpy, from the uncut model's hidden_states[K]: the graph's cut, pooling and
norm are checked, not repeated.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row, pad
from xlt.core.inference.head import Head
from xlt.core.kinds.table import encode
from xlt.core.tasks.table import KindName
from xlt.export.checkpoint.kinds import EXPORTED
from xlt.export.gate.probe import Probe

if TYPE_CHECKING:
    from torch import nn

__all__ = ["LIMITS", "Batch", "Parity", "compare", "make_batches", "margins", "pooled", "reference"]

Array = NDArray[Any]
Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]
LIMITS = {"max_logit_difference": 1e-3, "min_cosine": 0.9999, "clear_margin": 0.05}
BATCH_SIZES = (1, 2, 7, 4)
ROWS_PER_ITEM = 2
WORST = 3
NO_HEAD = Head()
ALIKE = 1e-6  # vectors nearer to the mean have no direction of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Padded rows and where each comes from."""

    feeds: Mapping[str, Array]
    names: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, (choices,) tokens."""
        return tuple(self.feeds["input_ids"].shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What the gate found.

    Attributes:
        predictions: arg-max decisions compared; `clear` of them have a top two further apart
            than the margin, `changed` of those came out differently.
        min_centred_cosine: of pooled vectors, the reference's mean taken off both: what all texts
            share hides differences. None where the vectors are all alike.
        worst: inputs with the largest difference (or the smallest cosine), worst first.
    """

    passed: bool
    rows: int
    shapes: tuple[tuple[int, ...], ...]
    max_difference: float
    min_cosine: float | None
    predictions: int
    clear: int
    changed: int
    worst: tuple[tuple[str, float], ...]
    min_centred_cosine: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The record of xlt.json."""
        found: dict[str, Any] = {
            "passed": self.passed,
            "reference": "PyTorch, fp32, eval mode",
            "limits": dict(LIMITS),
            "rows": self.rows,
            "shapes": [list(shape) for shape in self.shapes],
            "max_difference": _finite(self.max_difference),
        }
        if self.min_cosine is not None:
            found["min_cosine"] = _finite(self.min_cosine)
            if self.min_centred_cosine is not None:
                found["min_centred_cosine"] = _finite(self.min_centred_cosine)
        else:
            found |= {
                "predictions": self.predictions,
                "clear_predictions": self.clear,
                "changed_predictions": self.changed,
            }
        found["worst"] = [
            {"input": name, "difference": _finite(value)} for name, value in self.worst
        ]
        return found


def make_batches(encoder: Encoder, kind: KindName, probes: Sequence[Probe]) -> list[Batch]:
    """Encode the probes and stack the rows as they come, so that short ones are padded.

    Batch sizes go round 1, 2, 7, 4; long span contexts give their first two windows only.
    """
    rows: list[Row] = []
    seen: dict[int, int] = {}
    for row in encode(encoder, kind, [probe.item for probe in probes]):
        seen[row.item] = seen.get(row.item, 0) + 1
        if seen[row.item] <= ROWS_PER_ITEM:
            rows.append(row)
    batches: list[Batch] = []
    sizes = itertools.cycle(BATCH_SIZES)
    # Choice rows of one batch have as many choices.
    for _, group in itertools.groupby(rows, key=lambda row: row.ids.shape[:-1]):
        while part := list(itertools.islice(group, next(sizes))):
            names = tuple(probes[row.item].name for row in part)
            batches.append(Batch(feeds=pad(part, encoder.pad_id), names=names))
    return batches


def reference(
    model: nn.Module,
    batches: Sequence[Batch],
    *,
    outputs: Sequence[str],
    inputs: Sequence[str],
    layer: int | None = None,
    depth: int = 0,
    pooling: str | None = None,
    head: Head = NO_HEAD,
    device: str = "cpu",
) -> list[dict[str, Array]]:
    """PyTorch's answers, batch by batch.

    Args:
        model: the whole model, uncut, in eval mode.
        batches: what to run.
        outputs: names of the logits (heads); ignored for encoders.
        inputs: names of the feeds that the model takes.
        layer: encoders: the K of hidden_states[K]; None for heads. At the full depth it is
            `last_hidden_state`, which in pre-norm models has one norm more.
        depth: encoders: blocks of the whole model.
        pooling: encoders: mean, cls, last or weightedmean.
        head: encoders: what follows the pooling.
        device: where PyTorch computes.
    """
    import torch

    model.eval().to(device)
    found = []
    with torch.inference_mode():
        for batch in batches:
            feeds = {
                name: torch.from_numpy(batch.feeds[name]).to(device)
                for name in inputs
                if name in batch.feeds
            }
            if layer is None:
                out = model(**feeds)
                found.append({name: out[name].cpu().numpy() for name in outputs})
                continue
            out = model(**feeds, output_hidden_states=layer < depth)
            hidden = out.hidden_states[layer] if layer < depth else out.last_hidden_state
            mask_BL = batch.feeds["attention_mask"]
            vec_BD = pooled(hidden.cpu().numpy(), mask_BL, str(pooling), head)
            found.append({"sentence_embedding": vec_BD})
    model.to("cpu")
    return found


def compare(
    run: Run,
    batches: Sequence[Batch],
    expected: Sequence[Mapping[str, Array]],
    *,
    kind: KindName,
    pooling: str | None = None,
    head: Head = NO_HEAD,
) -> Parity:
    """Run the graph on the same batches and compare it with the reference.

    Args:
        run: ONNX Runtime: feeds in, outputs by name.
        batches: the batches of the reference.
        expected: the answers of `reference`.
        kind: the task kind; tags and spans are compared at tokens only, not at padding.
        pooling: set for encoders: `last_hidden_state` must then pool to the same vector.
        head: encoders: what follows the pooling.
    """
    differences: dict[str, float] = {}
    cosines: dict[str, float] = {}
    predictions = clear = changed = 0
    vectors: list[tuple[Array, Array]] = []
    for batch, answer in zip(batches, expected, strict=True):
        got = dict(run(batch.feeds))
        if pooling is not None:
            mask = batch.feeds["attention_mask"]
            got["pooled"] = pooled(got.pop("last_hidden_state"), mask, pooling, head)
            answer = {**answer, "pooled": answer["sentence_embedding"]}
            vectors.append((answer["pooled"], got["pooled"]))
        for output, truth in answer.items():
            for row, name in enumerate(batch.names):
                keep = batch.feeds["attention_mask"][row] == 1 if EXPORTED[kind].per_token else ...
                a, b = _rows(truth[row][keep]), _rows(got[output][row][keep])
                differences[name] = _worse(differences.get(name, 0.0), float(np.abs(a - b).max()))
                if pooling is not None:
                    cosine = float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
                    cosines[name] = -_worse(-cosines.get(name, 1.0), -cosine)
                    continue
                decided = margins(a) > LIMITS["clear_margin"]
                predictions += len(decided)
                clear += int(decided.sum())
                changed += int((a.argmax(-1) != b.argmax(-1))[decided].sum())
    largest = max(differences.values(), key=_rank)
    lowest = -max((-value for value in cosines.values()), key=_rank) if cosines else None
    if lowest is None:
        passed = largest <= LIMITS["max_logit_difference"] and changed == 0
    else:
        passed = lowest >= LIMITS["min_cosine"]
    return Parity(
        passed=passed,
        rows=sum(len(batch.names) for batch in batches),
        shapes=tuple(sorted({batch.shape for batch in batches})),
        max_difference=largest,
        min_cosine=lowest,
        predictions=predictions,
        clear=clear,
        changed=changed,
        worst=tuple(_worst_first(differences)),
        min_centred_cosine=_centred(vectors) if vectors else None,
    )


def _centred(vectors: Sequence[tuple[Array, Array]]) -> float | None:
    """The smallest cosine of pairs of vectors from which the mean of the first ones is taken."""
    a_ND, b_ND = (np.concatenate(side).astype(np.float64) for side in zip(*vectors, strict=True))
    mean_D = a_ND.mean(0)
    a_ND, b_ND = a_ND - mean_D, b_ND - mean_D
    lengths_N = np.linalg.norm(a_ND, axis=1) * np.linalg.norm(b_ND, axis=1)
    apart_N = ~(np.linalg.norm(a_ND, axis=1) < ALIKE)
    if not apart_N.any():
        return None
    return float(((a_ND * b_ND).sum(1)[apart_N] / lengths_N[apart_N]).min())


def _rows(scores: Array) -> Array:
    """Scores as (decisions, candidates) in float64: one decision a token for tags, else one."""
    return np.atleast_2d(scores.astype(np.float64))


def margins(scores_NC: Array) -> Array:
    """How far the best score is ahead of the second (N,); one candidate is always clear."""
    if scores_NC.shape[1] < 2:
        return np.full(len(scores_NC), np.inf)
    top_N2 = np.partition(scores_NC, -2, axis=1)[:, -2:]
    return np.asarray(top_N2[:, 1] - top_N2[:, 0])


def pooled(hidden_BLD: Array, mask_BL: Array, pooling: str, head: Head) -> Array:
    """Pooled, normalised vectors in float64: the definition that the graph is held to."""
    hidden_BLD = hidden_BLD.astype(np.float64)
    rows = zip(hidden_BLD, mask_BL.astype(bool), strict=True)
    vec_BD = np.stack(
        [head(_pool_row(hidden_LD[mask_L], pooling)) for hidden_LD, mask_L in rows]
    ).astype(np.float64)
    return np.asarray(vec_BD / np.linalg.norm(vec_BD, axis=1, keepdims=True))


def _pool_row(tokens_LD: Array, pooling: str) -> Array:
    if pooling == "mean":
        return np.asarray(tokens_LD.mean(0))
    if pooling == "weightedmean":
        place_L = np.arange(1, len(tokens_LD) + 1)
        return np.asarray((place_L[:, None] * tokens_LD).sum(0) / place_L.sum())
    return np.asarray(tokens_LD[0] if pooling == "cls" else tokens_LD[-1])


def _rank(value: float) -> float:
    """Sort key under which not-a-number is worse than everything."""
    return float("inf") if np.isnan(value) else value


def _worse(a: float, b: float) -> float:
    return a if _rank(a) >= _rank(b) else b


def _finite(value: float) -> float | str:
    return value if np.isfinite(value) else str(value)


def _worst_first(differences: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    ordered = sorted(differences.items(), key=lambda pair: (-_rank(pair[1]), pair[0]))
    yield from ordered[:WORST]
