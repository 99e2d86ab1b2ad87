"""Token embeddings in closed form: what occurs together, within a language and across pairs.

Positive pointwise mutual information over small windows (Levy and Goldberg 2014), plus the
same over translation pairs, factored by a truncated eigendecomposition (randomised subspace
iteration, Halko et al. 2011). Each language's mean is removed, so that tokens lie near their
translations and not near their own language.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["closed_form"]

WINDOW = 4
PARALLEL_WEIGHT = 3.0
POWER = 0.25
OVERSAMPLING, ITERATIONS = 16, 8
PAIRS_PER_LANGUAGE = 6_000

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]


def closed_form(
    texts: Mapping[str, Sequence[Ids]],
    pairs: Mapping[str, Sequence[tuple[Ids, Ids]]],
    *,
    vocabulary: int,
    width: int,
    norm: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Embeddings (V, D) of length `norm`; tokens that never occur get a random direction.

    Args:
        texts: language -> token ids of each text.
        pairs: language -> ids of (English, its translation).
        vocabulary: V.
        width: D.
        norm: length of every vector.
        rng: for the start of the iteration and the rotation.
    """
    matrix = _ppmi(_window_counts(texts.values(), vocabulary), vocabulary)
    aligned = [pair for lang in pairs for pair in pairs[lang][:PAIRS_PER_LANGUAGE]]
    if aligned:
        across = _ppmi(_pair_counts(aligned, vocabulary), vocabulary)
        matrix = (matrix + PARALLEL_WEIGHT * across).coalesce()
    values_D, vectors_VD = _top(matrix, width, rng)
    table_VD = vectors_VD * values_D**POWER
    table_VD -= _language_means(table_VD, texts)
    rotation_DD, _ = np.linalg.qr(rng.standard_normal((width, width)))
    table_VD = table_VD @ rotation_DD
    length_V1 = np.linalg.norm(table_VD, axis=1, keepdims=True)
    unseen_V = length_V1[:, 0] < 1e-9
    table_VD[unseen_V] = rng.standard_normal((int(unseen_V.sum()), width))
    table_VD /= np.linalg.norm(table_VD, axis=1, keepdims=True)
    return np.asarray(norm * table_VD, dtype=np.float32)


def _window_counts(
    texts: Iterable[Sequence[Ids]], vocabulary: int
) -> tuple[NDArray[np.int64], Floats]:
    """Codes i * V + j and counts of tokens at most WINDOW apart, both directions."""
    found: list[NDArray[np.int64]] = []
    for lines in texts:
        if not lines:
            continue
        gap = np.full(WINDOW, -1, dtype=np.int32)  # so that no window spans two texts
        flat = np.concatenate([part for line in lines for part in (line, gap)]).astype(np.int64)
        for distance in range(1, WINDOW + 1):
            left, right = flat[:-distance], flat[distance:]
            both = (left >= 0) & (right >= 0)
            found.append(left[both] * vocabulary + right[both])
    return _symmetric(np.concatenate(found), vocabulary)


def _pair_counts(
    pairs: Sequence[tuple[Ids, Ids]], vocabulary: int
) -> tuple[NDArray[np.int64], Floats]:
    """Codes and counts of tokens that stand on the two sides of one translation pair."""
    found = [
        (np.unique(a).astype(np.int64)[:, None] * vocabulary + np.unique(b)).ravel()
        for a, b in pairs
    ]
    return _symmetric(np.concatenate(found), vocabulary)


def _symmetric(codes: NDArray[np.int64], vocabulary: int) -> tuple[NDArray[np.int64], Floats]:
    turned = codes % vocabulary * vocabulary + codes // vocabulary
    unique, counts = np.unique(np.concatenate((codes, turned)), return_counts=True)
    return unique, counts.astype(np.float64)


def _ppmi(counted: tuple[NDArray[np.int64], Floats], vocabulary: int) -> torch.Tensor:
    """Sparse V x V: max(0, log p(i, j) / (p(i) p(j)))."""
    codes, counts = counted
    row, column = codes // vocabulary, codes % vocabulary
    total = counts.sum()
    weight_V = np.bincount(row, counts, vocabulary)
    value = np.log(counts * total / (weight_V[row] * weight_V[column]))
    kept = value > 0
    where = torch.from_numpy(np.stack((row[kept], column[kept])))
    shape = (vocabulary, vocabulary)
    found = torch.from_numpy(value[kept])
    return torch.sparse_coo_tensor(where, found, shape, check_invariants=True).coalesce()


def _top(matrix: torch.Tensor, width: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Largest eigenvalues, none below zero, and their vectors, of a symmetric sparse matrix.

    Negative ones are left out: along their vectors a token and its translation are opposite.
    """
    columns = min(2 * width + OVERSAMPLING, matrix.shape[0])
    basis = torch.from_numpy(rng.standard_normal((matrix.shape[0], columns)))
    for _ in range(ITERATIONS):
        basis, _ = torch.linalg.qr(torch.sparse.mm(matrix, basis))
    small = basis.T @ torch.sparse.mm(matrix, basis)
    values, vectors = np.linalg.eigh(((small + small.T) / 2).numpy())
    kept = np.argsort(-values, kind="stable")[:width]
    largest = np.maximum(values[kept], 0.0)
    table = basis.numpy() @ vectors[:, kept]
    if len(kept) < width:
        table = np.pad(table, ((0, 0), (0, width - len(kept))))
        return np.pad(largest, (0, width - len(kept))), table
    return largest, table


def _language_means(table_VD: Floats, texts: Mapping[str, Sequence[Ids]]) -> Floats:
    """For each token the mean of its language; of a shared token, of its languages' mixture."""
    vocabulary = len(table_VD)
    share_KV = np.zeros((len(texts), vocabulary))
    for k, lines in enumerate(texts.values()):
        if lines:
            counts_V = np.bincount(np.concatenate(lines), minlength=vocabulary)
            share_KV[k] = counts_V / max(1, counts_V.sum())
    total_V = share_KV.sum(axis=0)
    share_KV /= np.where(total_V > 0, total_V, 1.0)
    size_K1 = np.maximum(share_KV.sum(axis=1, keepdims=True), 1e-9)
    means_KD = (share_KV @ table_VD) / size_K1
    return np.asarray(share_KV.T @ means_KD)
