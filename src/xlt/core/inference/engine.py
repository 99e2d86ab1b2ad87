"""The engine: items in, predictions out, for any bundle; shared by eval, mine, serve and Python.

Threads can share an engine: what changes in it is the budget of a batch alone, and no prediction
depends on that. Its three steps (encode, run, decode) are public: a server batches the rows of many
requests itself and gets the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from xlt.core.artifacts.bundle import INT8, Bundle
from xlt.core.artifacts.ready import only_model
from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row, pad
from xlt.core.errors import ModelError, UsageError
from xlt.core.inference import answer
from xlt.core.inference.batch import computed
from xlt.core.inference.budget import Budget, budget_of
from xlt.core.inference.embedding import embed
from xlt.core.inference.head import Head, read_head
from xlt.core.inference.int8 import check_int8
from xlt.core.inference.plain import Plain, examples_of
from xlt.core.inference.session import Session, usable_cores
from xlt.core.kinds.base import Item, Outputs, Vector
from xlt.core.kinds.embed import SENTENCE, TOKEN_VECTORS, pooled
from xlt.core.kinds.table import Prediction, encode, kind_of
from xlt.core.show.terminal import Tick
from xlt.core.tasks.table import Task

__all__ = ["Engine"]

IN_FLIGHT = 2  # batches of a GPU


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Engine:
    """A bundle that is ready to predict.

    Attributes:
        bundle: what was opened.
        encoder: text to rows.
        session: rows to raw outputs.
        outputs: names of the graph's outputs that are fetched.
        budget: padded tokens of a batch. Predictions do not depend on it.
        callers: how many batches are computed side by side.
        head: embed bundles: what follows the pooling.
        per_token: embed bundles: predictions are the vectors of all tokens, see `for_tokens`.
    """

    bundle: Bundle
    encoder: Encoder
    session: Session
    outputs: tuple[str, ...]
    budget: Budget = field(default_factory=Budget)
    callers: int = 1
    head: Head = field(default_factory=Head)
    per_token: bool = False

    @classmethod
    def open(
        cls,
        bundle: Path | str | Bundle | None = None,
        *,
        precision: str = "fp32",
        device: str = "auto",
        threads: int | None = None,
        batch_tokens: int | None = None,
        side_by_side: bool = False,
        task: str | None = None,
    ) -> Engine:
        """Load a bundle.

        Args:
            bundle: an opened bundle; or a path of one, or of a folder or run with a single one; or
                a checkpoint folder or `hf:ORG/NAME`, which are exported once, into a cache.
            precision: the variant: fp32, fp16, int8 or int8-vnni; an opened bundle has its own.
            device: auto, cpu, cuda or cuda:N.
            threads: CPU threads; default, the cores this process may use.
            batch_tokens: padded tokens of a batch; default, what suits the device: on a CPU it is
                found out from the first batches, where no prediction can depend on it.
            side_by_side: let each thread compute batches of its own: more of them a second than
                all threads at one batch after the other, but each takes longer. On a GPU a few
                batches are in flight, so that it computes one while another is made or read.
            task: what a checkpoint answers, where it does not say.

        Raises:
            ModelError: no bundle, damaged files, a missing variant or device; or this CPU
                computes `int8-vnni` wrongly.
            UsageError: the folder holds several bundles.
            MissingExtra: ONNX Runtime is not installed.
        """
        if batch_tokens is not None and batch_tokens < 1:
            raise UsageError(f"a batch of {batch_tokens} tokens holds nothing", "use 512")
        if not isinstance(bundle, Bundle):
            found = only_model(bundle, task=task)
            bundle = Bundle.open(found, precision=precision, recorded=True)
        int8 = bundle.precision in INT8
        if bundle.precision == "int8-vnni":
            check_int8()
        cores = threads or usable_cores()
        each = 1 if side_by_side else cores
        with ThreadPoolExecutor(1) as beside:  # a session loads without the interpreter
            loading = beside.submit(
                Session, bundle.onnx_path, device=device, threads=each, int8=int8
            )
            encoder = Encoder.load(bundle.path, max_length=bundle.max_length)
            session = loading.result()
        encoder = replace(encoder, prompt=bundle.default_prompt)
        return cls(
            bundle=bundle,
            encoder=encoder,
            session=session,
            outputs=_needed_outputs(bundle, session),
            budget=budget_of(bundle, session.device, batch_tokens, threads=each),
            callers=(cores if session.device == "cpu" else IN_FLIGHT) if side_by_side else 1,
            head=read_head(bundle.path, bundle.manifest.get("after_pooling") or []),
        )

    @property
    def task(self) -> Task:
        """The bundle's task."""
        return self.bundle.task

    @property
    def batch_tokens(self) -> int:
        """Padded tokens of a batch, as far as is known."""
        return self.budget.tokens

    @property
    def token_output(self) -> str | None:
        """The graph's output that holds the last hidden state; None without one, or a head."""
        if not kind_of(self.task).vectors:
            return None
        return next((name for name in TOKEN_VECTORS if name in self.session.outputs), None)

    def for_tokens(self) -> Engine:
        """The same loaded model, whose predictions are the vectors of a text's tokens.

        Each is float32 (L, D): the last hidden state as it is, special tokens included, neither
        pooled nor scaled.

        Raises:
            ModelError: the bundle makes no embeddings, or its graph has no such output.
        """
        if self.token_output is None:
            raise ModelError(
                f"{self.bundle.onnx_path}: this graph has no output {' or '.join(TOKEN_VECTORS)} "
                f"of an encoder; it has {', '.join(self.session.outputs)}",
                "export the encoder with xlt export",
            )
        return replace(self, outputs=(self.token_output,), per_token=True)

    def __repr__(self) -> str:
        return (
            f"Engine({str(self.bundle.path)!r}, task={self.task.name!r}, kind={self.task.kind!r}, "
            f"precision={self.bundle.precision!r}, device={self.session.device!r})"
        )

    def predict(
        self, items: Sequence[Plain] | str, *, tick: Tick | None = None
    ) -> list[Prediction]:
        """Predictions in the order of the items.

        Args:
            items: strings, tuples, lists or dictionaries as `xlt.Client` takes them
                (`written` of the kind's record), or records of the task's kind
                (`xlt.core.tasks.examples`). One string alone is one item.
            tick: called with the number of items just finished.

        Raises:
            DataError: an item is of the wrong type or not valid Unicode; nothing is computed.
            ModelError: the model fails, or an output is not finite.
        """
        examples = examples_of(self.task.kind, items)
        if kind_of(self.task).vectors and not self.per_token:
            return list(self.embed(examples, tick=tick))
        rows = self.encode_rows(examples)
        return answer.answer(self.task, examples, rows, partial(self.run, tick=tick))

    def encode(
        self, texts: Sequence[str] | str, *, prompt: str | None = None, tick: Tick | None = None
    ) -> Vector:
        """Sentence vectors (N, D) as of `embed`; one string alone is one text.

        Raises:
            DataError: a text is not valid Unicode.
            ModelError: the bundle makes no embeddings, or an output is not finite.
        """
        return self.embed([texts] if isinstance(texts, str) else texts, prompt=prompt, tick=tick)

    def embed(
        self,
        texts: Iterable[Item],
        *,
        prompt: str | None = None,
        tick: Tick | None = None,
        out: Vector | None = None,
    ) -> Vector:
        """Sentence vectors of length 1, float32 (N, D); each distinct text is computed once.

        Memory besides the vectors is that of 8,192 texts, and about 200 bytes a distinct text.

        Args:
            texts: strings or `Sentence` records; with `out`, they may come one by one from a file.
            prompt: what stands before each text, "" for nothing; None: the bundle's default.
            tick: called with the number of texts just finished.
            out: where the vectors go, float32 (N, D), for example a mapped file; it is returned.

        Raises:
            DataError: a text is not valid Unicode, or `out` has no place for a text.
            ModelError: the bundle makes no embeddings, or an output is not finite.
        """
        if self.per_token:
            raise ModelError(
                f"{self.bundle.path}: this engine gives the vectors of tokens", "use predict"
            )
        if not kind_of(self.task).vectors:
            raise ModelError(
                f"{self.bundle.path}: a {self.task.name} model makes no sentence embeddings",
                "use the `encoder` bundle of the run",
            )
        return embed(
            texts,
            partial(self.encode_rows, prompt=prompt),
            self.run,
            tick=tick,
            out=out,
            ahead=self.session.device != "cpu",
        )

    def encode_rows(self, items: Sequence[Item], *, prompt: str | None = None) -> list[Row]:
        """Rows of the items; see `core.kinds.table.encode`. `prompt`: as in `embed`."""
        encoder = self.encoder if prompt is None else replace(self.encoder, prompt=prompt)
        return encode(encoder, self.task.kind, items)

    def run(self, rows: Sequence[Row], *, tick: Tick | None = None) -> list[Outputs]:
        """Raw outputs of each row, in the order of the rows, computed in sorted batches.

        Args:
            rows: what `encode_rows` made, of one or several lists of items.
            tick: called with the number of items just finished; the rows must then be those of
                one list of items.
        """
        waiting: dict[int, int] = {}
        for row in rows:
            waiting[row.item] = waiting.get(row.item, 0) + 1
        found: list[Outputs] = [{}] * len(rows)
        for batch, outputs in computed(rows, self.run_batch, self.budget, self.callers):
            for index, output in zip(batch, outputs, strict=True):
                found[index] = output
                waiting[rows[index].item] -= 1
            if tick is not None:
                finished = {rows[i].item for i in batch if not waiting[rows[i].item]}
                tick(len(finished))
        return found

    def run_batch(self, rows: Sequence[Row]) -> list[Outputs]:
        """Raw outputs of rows that are computed together, as one batch.

        Returns:
            For each row, by name: pair (C,), choice (n_choices,), tag at the first sub-words
            (W, C), span (L,) each, embed (D,), with `per_token` (L, D). Padding is removed.
        """
        feeds = pad(rows, self.encoder.pad_id)
        if "token_type_ids" in self.session.inputs:
            feeds.setdefault("token_type_ids", np.zeros_like(feeds["input_ids"]))
        arrays = self.session.run(feeds, self.outputs)
        for name, array in zip(self.outputs, arrays, strict=True):
            if array.ndim < 1 or len(array) != len(rows):
                raise ModelError(
                    f"{self.bundle.onnx_path}: output {name!r} has shape {array.shape} for "
                    f"{len(rows)} rows",
                    "export the model again",
                )
        return [
            self._output_of(row, {n: a[i] for n, a in zip(self.outputs, arrays, strict=True)})
            for i, row in enumerate(rows)
        ]

    def decode(
        self, items: Sequence[Item], rows: Sequence[Row], outputs: Sequence[Outputs]
    ) -> list[Prediction]:
        """Predictions of the items from their rows and the rows' raw outputs.

        Args:
            items: what was encoded.
            rows: all rows of these items, in the encoder's order.
            outputs: as `run` returned them for the rows.
        """
        return answer.decode(self.task, items, rows, outputs)

    def _output_of(self, row: Row, arrays: Outputs) -> Outputs:
        """What decoding needs of a row's part of the batch, copied out of it."""
        if self.per_token:
            hidden_LD: Vector = next(iter(arrays.values()))[: row.width].astype(np.float32)
            return {TOKEN_VECTORS[0]: hidden_LD}
        kind = kind_of(self.task)
        if kind.vectors:
            vector = pooled(arrays, row.width, self.bundle.pooling)
            return {SENTENCE: vector if SENTENCE in arrays else self.head(vector)}
        return {name: array.astype(np.float32) for name, array in kind.cut(row, arrays).items()}


def _needed_outputs(bundle: Bundle, session: Session) -> tuple[str, ...]:
    """Names of the outputs that the task's kind decodes.

    ONNX Runtime's sums over tokens depend on the batch in their last bits, the token vectors do
    not: on a CPU a row is pooled here, alone. From a GPU only the pooled vectors are fetched.
    """
    kind = kind_of(bundle.task)
    wanted = kind.outputs
    found = set(wanted) <= set(session.outputs)
    if kind.vectors and bundle.pooling and (session.device == "cpu" or not found):
        for name in TOKEN_VECTORS:
            if name in session.outputs:
                return (name,)
    if found:
        return wanted
    raise ModelError(
        f"{bundle.onnx_path}: a {bundle.task.kind} task needs the outputs {', '.join(wanted)}; "
        f"this graph has {', '.join(session.outputs)}",
        "export the model for this task with xlt export",
    )
