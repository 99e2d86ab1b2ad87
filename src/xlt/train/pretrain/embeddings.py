"""Token embeddings in closed form: what occurs together.

Without translation pairs: positive pointwise mutual information over small windows (Levy and
Goldberg 2014). With pairs, every token is described by the English tokens of the sentences that
it stands in or translates, as in cross-language LSI (Landauer and Littman 1990): a token and its
translation have the same description, up to noise. Both matrices are factored by randomised
subspace iteration (Halko et al. 2011), and each language's mean is removed, so that tokens lie
near their translations and not near their own language.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["closed_form"]

WINDOW = 4
POWER = 0.25  # of the eigenvalues, for windows
PAIR_POWER = 1.0  # of the singular values, for pairs
DISCOUNT = 5.0  # c occurrences together count as c / (c + DISCOUNT) of what they say
OVERSAMPLING, ITERATIONS = 16, 8
PAIRS_PER_LANGUAGE = 6_000
SHORT = 1e-9  # as good as no vector
OWN_SHARE = 0.5  # of a token that no pair has: its own direction, beside that of its neighbours

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Pairs = Mapping[str, Sequence[tuple[Ids, Ids]]]


class Counted(NamedTuple):
    """How often two tokens occur together: codes i * V + j in order, and their counts."""

    codes: NDArray[np.int64]
    counts: Floats


def closed_form(
    texts: Mapping[str, Sequence[Ids]],
    pairs: Pairs,
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
        rng: for the start of the iteration, the rotation and what never occurs.
    """
    near = _ppmi(_window_counts(texts.values(), vocabulary), vocabulary)
    if any(pairs.values()):
        table_VD = _described(pairs, vocabulary, width, rng)
    else:
        values_D, vectors_VD = _top(near, width, rng)
        table_VD = vectors_VD * values_D**POWER
    lost_V1 = np.linalg.norm(table_VD, axis=1, keepdims=True) < SHORT
    table_VD = np.where(lost_V1, 0.0, table_VD - _language_means(table_VD, texts))
    rotation_DD, _ = np.linalg.qr(rng.standard_normal((width, width)))
    table_VD = _unit(table_VD @ rotation_DD)
    own_VD = _unit(rng.standard_normal(table_VD.shape))
    around_VD = _unit(torch.sparse.mm(near, torch.from_numpy(table_VD)).numpy())
    table_VD += lost_V1 * (OWN_SHARE * own_VD + (1 - OWN_SHARE) * around_VD)
    return np.asarray(norm * _unit(table_VD), dtype=np.float32)


def _unit(table_VD: Floats) -> Floats:
    """Rows of length 1; rows without any length stay zero."""
    length_V1 = np.linalg.norm(table_VD, axis=1, keepdims=True)
    return np.where(length_V1 < SHORT, 0.0, table_VD / np.maximum(length_V1, SHORT))


def _described(pairs: Pairs, vocabulary: int, width: int, rng: np.random.Generator) -> Floats:
    """Each token as a mixture of English tokens, in `width` dimensions (V, D)."""
    counted, with_V, english_V, total = _pair_counts(pairs, vocabulary)
    row, column = np.divmod(counted.codes, vocabulary)
    value = np.log(counted.counts * total / (with_V[row] * english_V[column]))
    value *= counted.counts / (counted.counts + DISCOUNT)
    matrix = _sparse(row, column, value, vocabulary)
    across = matrix.T.coalesce()
    basis = torch.from_numpy(rng.standard_normal((vocabulary, _columns(width, vocabulary))))
    for _ in range(ITERATIONS):
        basis, _ = torch.linalg.qr(torch.sparse.mm(matrix, basis))
        basis, _ = torch.linalg.qr(torch.sparse.mm(across, basis))
    left_VC, values_C, _ = np.linalg.svd(
        torch.sparse.mm(matrix, basis).numpy(), full_matrices=False
    )
    return _widened(left_VC[:, :width] * values_C[:width] ** PAIR_POWER, width)


def _pair_counts(pairs: Pairs, vocabulary: int) -> tuple[Counted, Floats, Floats, int]:
    """In how many pairs a token stands beside, or across from, an English token.

    Returns:
        Counts of (any token, English token); in how many pairs each token stands on any side
        (V,), and on the English side (V,); the number of pairs.
    """
    with_V, english_V, total = np.zeros(vocabulary), np.zeros(vocabulary), 0
    codes: NDArray[np.int64] = np.zeros(0, np.int64)
    counts: Floats = np.zeros(0)
    for both in pairs.values():
        found = []
        for english, other in both[:PAIRS_PER_LANGUAGE]:
            column = np.unique(english).astype(np.int64)
            row = np.union1d(column, other).astype(np.int64)
            found.append((row[:, None] * vocabulary + column).ravel())
            with_V[row] += 1
            english_V[column] += 1
        if found:
            total += len(found)
            more, times = np.unique(np.concatenate(found), return_counts=True)
            codes, place = np.unique(np.concatenate((codes, more)), return_inverse=True)
            counts = np.asarray(np.bincount(place, np.concatenate((counts, times))), np.float64)
    return Counted(codes, counts), with_V, english_V, total


def _window_counts(texts: Iterable[Sequence[Ids]], vocabulary: int) -> Counted:
    """Tokens at most WINDOW apart, both directions."""
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


def _symmetric(codes: NDArray[np.int64], vocabulary: int) -> Counted:
    turned = codes % vocabulary * vocabulary + codes // vocabulary
    unique, counts = np.unique(np.concatenate((codes, turned)), return_counts=True)
    return Counted(unique, counts.astype(np.float64))


def _ppmi(counted: Counted, vocabulary: int) -> torch.Tensor:
    """Sparse V x V: max(0, log p(i, j) / (p(i) p(j)))."""
    row, column = np.divmod(counted.codes, vocabulary)
    total = counted.counts.sum()
    weight_V = np.bincount(row, counted.counts, vocabulary)
    value = np.log(counted.counts * total / (weight_V[row] * weight_V[column]))
    return _sparse(row, column, value, vocabulary)


def _sparse(
    row: NDArray[np.int64], column: NDArray[np.int64], value: Floats, vocabulary: int
) -> torch.Tensor:
    """V x V with the values above zero."""
    kept = value > 0
    where = torch.from_numpy(np.stack((row[kept], column[kept])))
    shape = (vocabulary, vocabulary)
    found = torch.from_numpy(value[kept])
    return torch.sparse_coo_tensor(where, found, shape, check_invariants=True).coalesce()


def _top(matrix: torch.Tensor, width: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Largest eigenvalues, none below zero, and their vectors, of a symmetric sparse matrix."""
    vocabulary = int(matrix.shape[0])
    basis = torch.from_numpy(rng.standard_normal((vocabulary, _columns(width, vocabulary))))
    for _ in range(ITERATIONS):
        basis, _ = torch.linalg.qr(torch.sparse.mm(matrix, basis))
    small = basis.T @ torch.sparse.mm(matrix, basis)
    values, vectors = np.linalg.eigh(((small + small.T) / 2).numpy())
    kept = np.argsort(-values, kind="stable")[:width]
    largest = np.maximum(values[kept], 0.0)
    table = _widened(basis.numpy() @ vectors[:, kept], width)
    return np.pad(largest, (0, width - len(kept))), table


def _columns(width: int, vocabulary: int) -> int:
    """Columns of the iterated basis."""
    return min(2 * width + OVERSAMPLING, vocabulary)


def _widened(table_VC: Floats, width: int) -> Floats:
    """The table with columns of zeros up to `width`."""
    return np.pad(table_VC, ((0, 0), (0, width - table_VC.shape[1])))


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
