"""Training on the embedding rows that occur: most of a multilingual vocabulary never does.

A fine-tuning set of English meets some thousands of a vocabulary's 250,000 rows. All others get
no gradient, so AdamW leaves them as they are, but for weight decay. Here the model holds only the
rows that the phase can meet, and the whole table comes back afterwards with the same bits as if
it had been there all the time: absent rows get the decay of every step that was taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xlt.core.encode.rows import Row

__all__ = ["VocabularyCut", "clip_gradients", "cut_vocabulary"]

LEADING = 64  # padding below this id keeps its place: RoBERTa counts positions from it
BLOCK = 4096  # rows that are decayed at once: they stay in the cache for all steps


class VocabularyCut:
    """A model whose table of token embeddings holds some rows only.

    Attributes:
        kept_K: ids of the rows that are there, ascending.
        rows: rows of the whole table.
    """

    def __init__(self, model: Any, kept_K: np.ndarray, rows: int) -> None:
        self.model = model
        self.kept_K = kept_K
        self.rows = rows
        self._place_V = np.full(rows, -1, np.int64)
        self._place_V[kept_K] = np.arange(len(kept_K))

    def translate(self, rows: Sequence[Row]) -> list[Row]:
        """The same rows, whose ids count the kept embeddings.

        Raises:
            ValueError: an id was not announced; training on it would be wrong.
        """
        return [replace(row, ids=self._places(row.ids)) for row in rows]

    def _places(self, ids: np.ndarray) -> np.ndarray:
        places = self._place_V[ids]
        if (places < 0).any():
            raise ValueError(f"token {int(ids[places < 0][0])} is not among the kept embeddings")
        return np.asarray(places, np.int32)

    def place(self, token: int) -> int:
        """Where a token's row is now."""
        return int(self._place_V[token])

    def restore(self, whole_VD: Tensor, decays: Sequence[float] = ()) -> None:
        """Put the whole table back.

        Args:
            whole_VD: the table as it was before the cut; written into.
            decays: what AdamW's decay has multiplied every weight with, step by step.
        """
        embedding = self.model.get_input_embeddings()
        table_VD = self.whole(whole_VD, decays)
        padding = embedding.padding_idx
        old = None if padding is None else int(self.kept_K[padding])
        device = embedding.weight.device
        _put(self.model, table_VD.to(device), embedding.weight.requires_grad, old)

    def whole(self, whole_VD: Tensor, decays: Sequence[float] = ()) -> Tensor:
        """The whole table as `restore` would put it back (V, D); the model stays as it is.

        Args:
            whole_VD: the table as it was before the cut; written into.
            decays: see `restore`.
        """
        trained_KD = self.model.get_input_embeddings().weight.detach()
        table_VD = whole_VD.detach().to(trained_KD.dtype)
        for start in range(0, len(table_VD) if len(decays) else 0, BLOCK):
            block = table_VD[start : start + BLOCK]
            for factor in decays:
                block.mul_(factor)
        table_VD[torch.from_numpy(self.kept_K)] = trained_KD.cpu()
        return table_VD


def cut_vocabulary(model: Any, rows: Iterable[Row], special: Iterable[int]) -> VocabularyCut | None:
    """Leave only the embeddings of the tokens that occur.

    Args:
        model: with its head drawn already: the cut changes no random draw.
        rows: everything that goes through the model before `restore`.
        special: further ids to keep: special tokens, padding.

    Returns:
        None when the table has to stay whole: a masked LM's output weights are tied to it.
    """
    embedding = model.get_input_embeddings()
    output = model.get_output_embeddings()
    if output is not None and getattr(output, "weight", None) is embedding.weight:
        return None
    count = len(embedding.weight)
    occurs_V = np.zeros(count, np.bool_)
    occurs_V[[token for token in special if token < count]] = True
    padding = embedding.padding_idx
    if padding is not None:
        occurs_V[0 if padding < LEADING else padding : padding + 1] = True
    for row in rows:
        occurs_V[row.ids] = True
    kept_K = np.flatnonzero(occurs_V)
    _put(
        model,
        embedding.weight.detach()[torch.from_numpy(kept_K)].clone(),
        embedding.weight.requires_grad,
        None if padding is None else int(np.searchsorted(kept_K, padding)),
    )
    return VocabularyCut(model, kept_K, count)


def _put(model: Any, table: Tensor, trained: bool, padding: int | None) -> None:
    """Give the model another table of token embeddings, with nothing else changed."""
    old = model.get_input_embeddings()
    with torch.device("meta"):
        new = nn.Embedding(len(table), table.shape[1], padding_idx=padding)
    new.weight = nn.Parameter(table, requires_grad=trained)
    new.train(old.training)
    model.set_input_embeddings(new)
    model.config.vocab_size = len(table)


def clip_gradients(model: nn.Module, limit: float) -> float:
    """Scale all gradients so that their common L2 norm is at most `limit`; returns the norm.

    Tables of embeddings are summed row by row, exactly, so that rows without a gradient cannot
    change the last bits: training on some rows and on all of them clip alike.
    """
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    gradients, squares, others = [], [], []
    for parameter in model.parameters():
        if parameter.grad is None:
            continue
        gradients.append(parameter.grad)
        if id(parameter) in tables:
            norms_V = torch.linalg.vector_norm(parameter.grad, dim=1).double().cpu().numpy()
            squares.extend((norms_V[norms_V != 0] ** 2).tolist())
        else:
            others.append(parameter.grad)
    if others:  # at once: a GPU would be waited for at each of them
        norms = torch.stack(torch._foreach_norm(others))
        squares += [one**2 for one in norms.double().tolist()]
    norm = math.sqrt(math.fsum(squares)) if all(map(math.isfinite, squares)) else math.nan
    scale = limit / (norm + 1e-6)
    if scale < 1:
        torch._foreach_mul_(gradients, scale)
    return norm
