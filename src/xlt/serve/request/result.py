"""What became of a request's items: predictions, faults, tokens, what was cut."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from xlt.core.encode.encoder import Row
from xlt.serve.compute.served import Served
from xlt.serve.compute.vitals import RowFault
from xlt.serve.compute.work import Work
from xlt.serve.errors import Problem, fields_of

__all__ = ["Result", "fault_fields", "gather", "refuse_truncated"]

log = logging.getLogger("xlt.serve")


@dataclass(slots=True, kw_only=True)
class Result:
    """What became of a request's items.

    Attributes:
        predictions: one an item: what the engine decoded, or a `RowFault`.
        outputs: one a row: what the engine computed.
        truncated: one an item: whether text was cut.
        tokens: computed for the request, special tokens included.
        n_undecoded: items whose outputs make no prediction.
    """

    model: Served
    predictions: Sequence[Any]
    outputs: Sequence[Any]
    truncated: list[bool]
    tokens: int
    n_undecoded: int = 0

    @property
    def usage(self) -> dict[str, int]:
        """OpenAI's `usage`."""
        return {"prompt_tokens": self.tokens, "total_tokens": self.tokens}

    @property
    def n_truncated(self) -> int:
        """Number of inputs that were cut."""
        return sum(self.truncated)

    def whole(self) -> Sequence[Any]:
        """All predictions, for answers that cannot hold an error for one item.

        Raises:
            Problem: 500 when an item has none; it is named by its index.
        """
        for index, prediction in enumerate(self.predictions):
            if isinstance(prediction, RowFault):
                raise Problem(500, prediction.code, f"input {index}: {prediction}")
        return self.predictions


def fault_fields(fault: RowFault) -> dict[str, Any]:
    """The `error` of one item in a list answer."""
    return fields_of(Problem(500, fault.code, str(fault)))


def gather(model: Served, items: Sequence[Any], work: Work) -> Result:
    """Decode a finished work; items with a failed row get its fault, the others are whole."""
    rows, outputs = work.rows, work.outputs
    truncated = [False] * len(items)
    tokens = 0
    faults: dict[int, RowFault] = {}
    for row, output in zip(rows, outputs, strict=True):
        tokens += row.width if row.lengths is None else int(row.lengths.sum())
        truncated[row.item] |= row.truncated
        if isinstance(output, RowFault):
            faults.setdefault(row.item, output)
    predictions, n_undecoded = _decode(model, items, rows, outputs, faults)
    if len(faults) < len(items):
        model.vitals.note_decoded(len(items) - len(faults), n_undecoded)
    return Result(
        model=model,
        predictions=predictions,
        outputs=outputs,
        truncated=truncated,
        tokens=tokens,
        n_undecoded=n_undecoded,
    )


def _decode(
    model: Served,
    items: Sequence[Any],
    rows: Sequence[Row],
    outputs: Sequence[Any],
    faults: dict[int, RowFault],
) -> tuple[list[Any], int]:
    """One prediction or fault an item, and how many could not be decoded.

    Together where all goes well; one by one where decoding fails, so that an item costs only
    itself.
    """
    if not faults:
        try:
            return list(model.engine.decode(items, rows, outputs)), 0
        except Exception as error:
            log.warning("decoding in %s failed (%s)", model.name, type(error).__name__)
    mine: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        mine.setdefault(row.item, []).append(place)
    found: list[Any] = []
    undecoded = 0
    for index, item in enumerate(items):
        if index in faults:
            found.append(faults[index])
            continue
        places = mine.get(index, [])
        alone = [replace(rows[place], item=0) for place in places]
        try:
            found += model.engine.decode([item], alone, [outputs[place] for place in places])
        except Exception as error:
            undecoded += 1
            message = f"the model's output makes no prediction ({type(error).__name__})"
            found.append(RowFault("model_error", message))
    return found, undecoded


def refuse_truncated(rows: Sequence[Row], model: Served) -> None:
    """Refuse a request whose texts do not fit, for `truncate: "error"`.

    Raises:
        Problem: 400, naming the first input and the limit.
    """
    for row in rows:
        if row.truncated:
            raise Problem(
                400,
                "context_length_exceeded",
                f"input {row.item} has more than the {model.engine.encoder.max_length} tokens "
                "that the model reads; shorten it, or send truncate right or left",
                "truncate",
            )
