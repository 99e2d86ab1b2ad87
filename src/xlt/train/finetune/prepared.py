"""A task of a phase made ready for the loop: rows, order, batches, dev scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row
from xlt.core.kinds.table import encode
from xlt.train.finetune.kinds import baselines, encode_labelled
from xlt.train.finetune.masking import TextOrder, mask_rows, text_rows
from xlt.train.finetune.scoring import dev_scores
from xlt.train.loop.batches import LabelledRows, Order, micros
from xlt.train.loop.loop import Micro
from xlt.train.loop.vocabulary import VocabularyCut
from xlt.train.plan.hyper import Hyper
from xlt.train.plan.phases import Part
from xlt.train.seeds import derive

__all__ = ["Labelled", "Masked", "prepare"]

# Tokens through the model at once, and what a pass costs besides them; more does not pay on a CPU.
PARTS = {"cpu": (1024, 48), "cuda": (16384, 2048)}


class Labelled:
    """A task with labels.

    Attributes:
        encoder: of its length.
        data: rows with their labels.
        dev_rows: of the dev set.
        hyper: with the batch in examples.
        order: of its batches.
    """

    def __init__(self, part: Part, folder: Path, seed: int, tokens: int, cost: int) -> None:
        self.part = part
        self.encoder = Encoder.load(folder, max_length=part.hyper.max_length)
        self.data = encode_labelled(self.encoder, part.task, part.examples)
        self.dev = part.dev.examples if part.dev else ()
        self.dev_rows = encode(self.encoder, part.task.kind, self.dev)
        self.tokens = int(self.data.lengths.sum())
        self.truncated = sum(row.truncated for row in self.data.rows)
        self.hyper = _settle(part.hyper, self.tokens / len(self.data.rows))
        self.order = Order(self.data.lengths, self.hyper.batch_size, seed)
        self._tokens, self._cost = tokens, cost

    @property
    def rows(self) -> Sequence[Row]:
        """Everything that goes through the model."""
        return (*self.data.rows, *self.dev_rows)

    @property
    def count(self) -> int:
        """Rows to learn from."""
        return len(self.data.rows)

    def translate(self, cut: VocabularyCut) -> None:
        """Count the kept embeddings from now on."""
        self.data = LabelledRows(
            rows=tuple(cut.translate(self.data.rows)), targets=self.data.targets
        )
        self.dev_rows = cut.translate(self.dev_rows)
        self.encoder = replace(self.encoder, pad_id=cut.place(self.encoder.pad_id))

    def batch(self, step: int) -> list[Micro]:
        """The parts of one of its steps."""
        indices = self.order.batch(step)
        return micros(self.data, indices, self.encoder.pad_id, self._tokens, self._cost)

    def named(self, step: int) -> str:
        """The examples of one of its steps, by id."""
        items = dict.fromkeys(self.data.rows[int(i)].item for i in self.order.batch(step))
        return ", ".join(str(self.part.examples[item].id) for item in items)

    def scores(self, model: Any) -> dict[str, float]:
        """Dev scores, `selection` among them; none without a dev set."""
        if not self.dev:
            return {}
        return dev_scores(
            model, self.encoder, self.part.task, self.dev, self.dev_rows, self._tokens
        )

    def baseline(self) -> dict[str, Any]:
        """Scores of answers that ignore the input."""
        return baselines(self.part.task, self.part.examples, self.dev)


class Masked:
    """Masked LM on text; see `Labelled`."""

    def __init__(self, part: Part, folder: Path, seed: int, tokens: int, cost: int) -> None:
        self.part = part
        self.encoder = Encoder.load(folder, max_length=part.hyper.max_length)
        self.rows, langs_N = text_rows(self.encoder, part)
        lengths_N = _lengths(self.rows)
        self.tokens = int(lengths_N.sum())
        self.truncated = 0
        self.hyper = _settle(part.hyper, self.tokens / len(self.rows))
        self.order = TextOrder(lengths_N, langs_N, self.hyper.batch_size, seed)
        self.seed = seed
        self._tokens, self._cost = tokens, cost

    @property
    def count(self) -> int:
        """Rows to learn from."""
        return len(self.rows)

    def translate(self, cut: VocabularyCut) -> None:
        """Masks are replaced by any token: the table has to stay whole.

        Raises:
            ValueError: always.
        """
        raise ValueError("masked LM needs the whole vocabulary")

    def batch(self, step: int) -> list[Micro]:
        """The parts of one of its steps, masked anew."""
        rows = [self.rows[i] for i in self.order.batch(step)]
        seed = derive(self.seed, "mask", step)
        return mask_rows(self.encoder, rows, tokens=self._tokens, part_cost=self._cost, seed=seed)

    def named(self, step: int) -> str:
        """The rows of one of its steps, by number."""
        return "text rows " + ", ".join(str(int(i)) for i in self.order.batch(step))

    def scores(self, model: Any) -> dict[str, float]:
        """None: no dev set."""
        return {}

    def baseline(self) -> dict[str, Any]:
        """None."""
        return {}


def prepare(
    part: Part,
    folder: Path,
    seed: int,
    device: torch.device | None = None,
    part_tokens: int | None = None,
) -> Labelled | Masked:
    """Encode a task.

    Args:
        part: the task and its data.
        folder: Hugging Face folder with the tokenizer.
        seed: decides the order, and the masks.
        device: where it will be computed; None: it will not.
        part_tokens: through the model at once; None: by the device.
    """
    tokens, cost = PARTS[device.type if device else "cpu"]
    make = Masked if part.task.kind == "mlm" else Labelled
    return make(part, folder, seed, part_tokens or tokens, cost)


def _lengths(rows: Sequence[Row]) -> Any:
    return LabelledRows(rows=tuple(rows), targets=()).lengths


def _settle(hyper: Hyper, mean_tokens: float) -> Hyper:
    """Turn a batch in tokens into one in examples."""
    if hyper.batch_size:
        return hyper
    return replace(hyper, batch_size=max(1, round(hyper.batch_tokens / mean_tokens)))
