"""The gate of variants that are not exact: how near they are to the reference, and the limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xlt.core.inference.head import Head
from xlt.core.kinds.embed import SENTENCE, TOKEN_VECTORS
from xlt.core.tasks.table import KindName
from xlt.export.checkpoint.kinds import EXPORTED
from xlt.export.gate.parity import Array, Batch, Run, margins, pooled

__all__ = ["Close", "Limits", "compare_close"]

WORST = 3
CLEAR = 0.05  # how far fp32's best two must lie apart for a changed prediction to count


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a variant must reach: encoders a mean cosine, heads a share of kept predictions."""

    mean_cosine: float
    changed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """What was found.

    Attributes:
        cosines: encoders: of each row, with the reference.
        centred: encoders: mean cosine after the reference's mean vector is taken off both.
        clear: heads: language -> predictions where the reference's best two lie apart.
        changed: heads: language -> those of them that came out differently.
        kept: heads: class -> share of the reference's clear predictions of it that stayed.
        worst: inputs that moved most, worst first.
    """

    limits: Limits
    cosines: tuple[float, ...] = ()
    centred: float | None = None
    clear: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[int, float] = field(default_factory=dict)
    worst: tuple[tuple[str, float], ...] = ()

    @property
    def share_changed(self) -> float:
        """Changed among clear predictions, 0 to 1."""
        return sum(self.changed.values()) / max(1, sum(self.clear.values()))

    @property
    def mean_cosine(self) -> float:
        """Of all rows; not-a-number counts as 0."""
        return float(np.nan_to_num(np.array(self.cosines)).mean()) if self.cosines else 1.0

    @property
    def passed(self) -> bool:
        """Whether both limits hold."""
        near = self.mean_cosine >= self.limits.mean_cosine
        return near and self.share_changed <= self.limits.changed

    def say(self) -> str:
        """What was measured, with the limit, in one line."""
        if self.cosines:
            return f"mean cosine {self.mean_cosine:.5f} (limit {self.limits.mean_cosine:g})"
        return (
            f"{self.share_changed:.1%} of {sum(self.clear.values())} clear predictions changed "
            f"(limit {self.limits.changed:.0%})"
        )

    def to_json(self, reference: str) -> dict[str, Any]:
        """The record of xlt.json.

        Args:
            reference: what the variant was compared with.
        """
        found: dict[str, Any] = {
            "passed": self.passed,
            "reference": reference,
            "limits": {
                "min_mean_cosine": self.limits.mean_cosine,
                "max_changed": self.limits.changed,
                "clear_margin": CLEAR,
            },
            "worst": [list(pair) for pair in self.worst],
        }
        if self.cosines:
            low = float(np.nan_to_num(np.array(self.cosines)).min())
            return {
                **found,
                "rows": len(self.cosines),
                "mean_cosine": self.mean_cosine,
                "min_cosine": low,
                "mean_centred_cosine": self.centred,
            }
        return {
            **found,
            "clear_predictions": sum(self.clear.values()),
            "changed_predictions": sum(self.changed.values()),
            "changed_by_language": {
                lang: self.changed.get(lang, 0) / count for lang, count in self.clear.items()
            },
            "kept_by_class": {str(label): share for label, share in sorted(self.kept.items())},
        }


def compare_close(
    run: Run,
    batches: Sequence[Batch],
    expected: Sequence[Mapping[str, Array]],
    *,
    kind: KindName,
    limits: Limits,
    pooling: str | None,
    head: Head,
) -> Close:
    """Run a variant on the gate's batches.

    Args:
        run: feeds in, outputs by name.
        batches: of the gate.
        expected: the reference's answers: outputs by name, or sentence vectors.
        kind: the task kind.
        limits: what must hold.
        pooling: encoders: how tokens become a vector; None for heads.
        head: encoders: what follows the pooling.
    """
    if pooling is not None:
        return _encoder(run, batches, expected, limits, pooling, head)
    return _heads(run, batches, expected, limits, per_token=EXPORTED[kind].per_token)


def _encoder(
    run: Run,
    batches: Sequence[Batch],
    expected: Sequence[Mapping[str, Array]],
    limits: Limits,
    pooling: str,
    head: Head,
) -> Close:
    got_ND = np.concatenate(
        [
            pooled(run(b.feeds)[TOKEN_VECTORS[0]], b.feeds["attention_mask"], pooling, head)
            for b in batches
        ]
    )
    true_ND = np.concatenate([answer[SENTENCE] for answer in expected]).astype(np.float64)
    cosine_N = _cosines(true_ND, got_ND)
    mean_D = true_ND.mean(axis=0)
    centred_N = _cosines(true_ND - mean_D, got_ND - mean_D)
    names = [name for batch in batches for name in batch.names]
    order = np.argsort(np.nan_to_num(cosine_N))[:WORST]
    return Close(
        limits=limits,
        cosines=tuple(cosine_N.tolist()),
        centred=float(np.nan_to_num(centred_N).mean()),
        worst=tuple((names[i], float(np.nan_to_num(cosine_N)[i])) for i in order),
    )


def _heads(
    run: Run,
    batches: Sequence[Batch],
    expected: Sequence[Mapping[str, Array]],
    limits: Limits,
    *,
    per_token: bool,
) -> Close:
    clear: dict[str, int] = {}
    changed: dict[str, int] = {}
    classes: dict[int, list[int]] = {}
    by_input: dict[str, float] = {}
    for batch, answer in zip(batches, expected, strict=True):
        got = run(batch.feeds)
        for output, truth in answer.items():
            for row, name in enumerate(batch.names):
                keep = batch.feeds["attention_mask"][row] == 1 if per_token else ...
                true_NC = np.atleast_2d(truth[row][keep].astype(np.float64))
                got_NC = np.atleast_2d(got[output][row][keep].astype(np.float64))
                decided_N = margins(true_NC) > CLEAR
                want_N, have_N = true_NC.argmax(-1), got_NC.argmax(-1)
                want_N, have_N = want_N[decided_N], have_N[decided_N]
                bad_N = (want_N != have_N) | ~np.isfinite(got_NC).all(-1)[decided_N]
                lang = _language(name)
                clear[lang] = clear.get(lang, 0) + len(want_N)
                changed[lang] = changed.get(lang, 0) + int(bad_N.sum())
                if (true_NC.shape[1] > 1 and not per_token) or output == "logits":
                    for label, bad in zip(want_N.tolist(), bad_N.tolist(), strict=True):
                        classes.setdefault(label, []).append(not bad)
                moved = float(np.abs(true_NC - got_NC).max())
                by_input[name] = max(by_input.get(name, 0.0), np.inf if moved != moved else moved)
    worst = sorted(by_input.items(), key=lambda pair: (-pair[1], pair[0]))[:WORST]
    return Close(
        limits=limits,
        clear={lang: count for lang, count in clear.items() if count},
        changed=changed,
        kept={label: sum(stayed) / len(stayed) for label, stayed in classes.items()},
        worst=tuple((name, min(moved, 1e30)) for name, moved in worst),
    )


def _cosines(a_ND: Array, b_ND: Array) -> Array:
    sizes = np.linalg.norm(a_ND, axis=1) * np.linalg.norm(b_ND, axis=1)
    return np.asarray((a_ND * b_ND).sum(axis=1) / np.maximum(sizes, 1e-30))


def _language(name: str) -> str:
    """The language in a probe's name: probe/de/short, xnli/dev/de/17, text/de/3."""
    parts = name.split("/")
    return parts[2] if "dev" in parts[:2] and len(parts) > 2 else parts[1]
