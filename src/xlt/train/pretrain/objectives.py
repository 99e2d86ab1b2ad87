"""Phase 0 of the compact encoder: masked LM and translation LM, one batch after the other.

Masked LM after Devlin et al. 2019, translation LM after Conneau and Lample 2019, with most
masks on one side of a pair so that the other side has to be used.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from xlt.core.encode.families import family_of
from xlt.train.loop.batches import IGNORE
from xlt.train.loop.loop import Job, Micro
from xlt.train.plan.plan import Plan
from xlt.train.pretrain.compact import SPECIAL, Corpus
from xlt.train.pretrain.embeddings import closed_form
from xlt.train.seeds import derive

__all__ = ["Stream", "Tokens", "pretraining_job", "start_embeddings", "tokenise"]

BATCH_TOKENS = 512
ROW_TOKENS = 128
HALVED = 0.5  # of the rows with one language
POOL = 64
MLM_SHARE = 0.25
TLM_SHARES = (0.5, 0.1)
# Of the chosen places: how many are masked, and how many get another token; the rest stay. With
# pairs more are replaced: only a look at the other side tells which token is wrong.
MLM_FATES = (0.85, 0.10)
TLM_FATES = (0.55, 0.30)
LANGUAGE_POWER = 0.5  # small languages are seen more often than their share of the text
# Per dimension, where there are translation pairs: smaller ones drown in the position embeddings,
# and the alignment with them. Without pairs the model's own scale learns the tasks better.
EMBEDDING_SCALE = 0.2
EMBEDDING_RATE = 0.1  # keeps the alignment that the closed form has
LEARNING_RATE, WARMUP, DECAY, BETAS = 2e-3, 0.05, 0.01, (0.9, 0.98)
BOS, PAD, EOS, _, MASK = range(len(SPECIAL))

Ids = NDArray[np.int32]


class Tokens:
    """A corpus as token ids: texts by language, pairs by language."""

    def __init__(
        self,
        texts: Mapping[str, Sequence[Ids]],
        pairs: Mapping[str, Sequence[tuple[Ids, Ids]]],
        vocabulary: int,
    ) -> None:
        self.texts, self.pairs, self.vocabulary = texts, pairs, vocabulary

    def counts(self) -> NDArray[np.int64]:
        """How often each token occurs in the texts (V,)."""
        total_V = np.zeros(self.vocabulary, dtype=np.int64)
        for lines in self.texts.values():
            if lines:
                total_V += np.bincount(np.concatenate(lines), minlength=self.vocabulary)
        return total_V


def tokenise(corpus: Corpus, tokenizer: Tokenizer) -> Tokens:
    """Token ids of the corpus, without special tokens; empty texts are dropped."""

    def ids(texts: Sequence[str]) -> list[Ids]:
        found = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int32) for encoding in found]

    texts = {lang: [line for line in ids(t) if len(line)] for lang, t in corpus.texts.items()}
    pairs = {}
    for lang, both in corpus.pairs.items():
        english, other = ids([a for a, _ in both]), ids([b for _, b in both])
        pairs[lang] = [(a, b) for a, b in zip(english, other, strict=True) if len(a) and len(b)]
    return Tokens(texts, pairs, int(tokenizer.get_vocab_size()))


def start_embeddings(model: Any, tokens: Tokens, seed: int) -> None:
    """Put closed-form embeddings into the (tied) word embeddings."""
    table = model.get_input_embeddings().weight
    rng = np.random.default_rng(derive(seed, "closed form"))
    aligned = any(tokens.pairs.values())
    scale = EMBEDDING_SCALE if aligned else float(model.config.initializer_range)
    norm = scale * float(table.shape[1]) ** 0.5
    values_VD = closed_form(
        tokens.texts,
        tokens.pairs,
        vocabulary=tokens.vocabulary,
        width=int(table.shape[1]),
        norm=norm,
        rng=rng,
    )
    values_VD[PAD] = 0.0
    with torch.no_grad():
        table.copy_(torch.from_numpy(values_VD))


def start_bias(model: Any, tokens: Tokens) -> None:
    """Set the output bias to log unigram frequencies, which training would learn first."""
    counts_V = tokens.counts() + 1.0
    with torch.no_grad():
        bias_V = model.get_output_embeddings().bias
        bias_V.copy_(torch.from_numpy(np.log(counts_V / counts_V.sum())))


class Stream:
    """Rows drawn by language, grouped by length into batches of about BATCH_TOKENS.

    Args:
        rows: language -> rows, each a tuple of one or two texts.
        seed: of this stream.
    """

    def __init__(self, rows: Mapping[str, Sequence[tuple[Ids, ...]]], seed: int) -> None:
        self.rows = [row for lines in rows.values() for row in lines]
        self.lengths = np.array([sum(len(part) + 2 for part in row) for row in self.rows])
        sizes_K = np.array([len(lines) for lines in rows.values() if len(lines)])
        share_K = sizes_K**LANGUAGE_POWER
        self.share_K = share_K / share_K.sum()
        self.sizes_K = sizes_K
        self.first_K = np.cumsum(sizes_K) - sizes_K
        mean = float((self.share_K * self._mean_lengths()).sum())
        self.draws = max(POOL, round(POOL * BATCH_TOKENS / mean))
        self.seed = seed
        self._pool = functools.lru_cache(maxsize=1)(self._draw)

    def batch(self, index: int) -> NDArray[np.int64]:
        """Row numbers of a batch; a pure function of the index."""
        pool, place = divmod(index, POOL)
        return self._pool(pool)[place]

    def _mean_lengths(self) -> NDArray[np.float64]:
        parts = np.split(self.lengths, self.first_K[1:])
        return np.array([part.mean() for part in parts])

    def _draw(self, pool: int) -> list[NDArray[np.int64]]:
        rng = np.random.default_rng(derive(self.seed, "pool", pool))
        lang_N = rng.choice(len(self.sizes_K), size=self.draws, p=self.share_K)
        row_N = self.first_K[lang_N] + (rng.random(self.draws) * self.sizes_K[lang_N]).astype(int)
        row_N = row_N[np.argsort(self.lengths[row_N], kind="stable")]
        before_N = np.cumsum(self.lengths[row_N]) - self.lengths[row_N]
        batch_N = before_N * POOL // max(1, int(self.lengths[row_N].sum()))
        batches = [row_N[batch_N == b] for b in range(POOL)]
        filled = [batch if len(batch) else row_N[-1:] for batch in batches]
        return [filled[b] for b in rng.permutation(POOL)]


def pretraining_job(plan: Plan, model: Any, tokens: Tokens, *, name: str) -> Job:
    """The job of phase 0; with masked and translation LM, steps take turns.

    Args:
        plan: of the run.
        model: a masked-LM model of `xlt.train.pretrain.compact`.
        tokens: what to read.
        name: of the phase.
    """
    parts, seed = plan.pretraining.parts, plan.seed
    family = family_of(model.config.model_type)
    streams: list[tuple[Stream, Callable[[Stream, int, int], Micro]]] = []
    if "mlm" in parts:
        rows = _rows(tokens.texts, derive(seed, "halves"))
        streams.append((Stream(rows, derive(seed, "mlm")), _mlm))
    if "tlm" in parts:
        streams.append((Stream(_pairs(tokens.pairs), derive(seed, "tlm")), _tlm))

    def batch(step: int) -> list[Micro]:
        stream, mask = streams[step % len(streams)]
        return [mask(stream, step // len(streams), tokens.vocabulary)]

    return Job(
        name=name,
        model=model,
        steps=plan.pretraining.steps,
        batch=batch,
        loss=masked_loss,
        lr=LEARNING_RATE,
        warmup=WARMUP,
        weight_decay=DECAY,
        betas=BETAS,
        slow={family.embeddings: EMBEDDING_RATE} if "svd" in parts else {},
        seed=seed,
        bf16=plan.bf16,
        save_every=plan.save_every,
    )


def masked_loss(model: nn.Module, micro: Micro) -> Tensor:
    """Summed cross-entropy at the masked places; the vocabulary layer runs only there."""
    device = next(model.parameters()).device
    feeds = {name: torch.from_numpy(value).to(device) for name, value in micro.feeds.items()}
    targets_BL = torch.from_numpy(micro.targets).to(device)
    hidden_BLD = model.base_model(**feeds).last_hidden_state  # type: ignore[operator]
    chosen = targets_BL != IGNORE
    config: Any = model.config
    logits_MV = hidden_BLD[chosen]
    for name in family_of(config.model_type).mlm_head:
        logits_MV = model.get_submodule(name)(logits_MV)
    return nn.functional.cross_entropy(logits_MV.float(), targets_BL[chosen], reduction="sum")


def _rows(texts: Mapping[str, Sequence[Ids]], seed: int) -> dict[str, list[tuple[Ids, ...]]]:
    """Texts cut into rows that fit; half of them as two texts, so that both types are learnt."""
    size = ROW_TOKENS - 4
    rng = np.random.default_rng(seed)
    found: dict[str, list[tuple[Ids, ...]]] = {}
    for lang, lines in texts.items():
        parts = [line[i : i + size] for line in lines for i in range(0, len(line), size)]
        places = [int(rng.integers(1, max(2, len(part)))) for part in parts]
        halved = rng.random(len(parts)) < HALVED
        found[lang] = [
            (part[:place], part[place:]) if half and len(part) > 1 else (part,)
            for part, place, half in zip(parts, places, halved, strict=True)
        ]
    return found


def _pairs(pairs: Mapping[str, Sequence[tuple[Ids, Ids]]]) -> dict[str, list[tuple[Ids, ...]]]:
    size = (ROW_TOKENS - 4) // 2
    return {lang: [(a[:size], b[:size]) for a, b in both] for lang, both in pairs.items()}


def _mlm(stream: Stream, index: int, vocabulary: int) -> Micro:
    rng = np.random.default_rng(derive(stream.seed, "mask", index))
    rows = [stream.rows[i] for i in stream.batch(index)]
    shares = [(MLM_SHARE,) * len(row) for row in rows]
    return _masked(rows, shares, MLM_FATES, vocabulary, rng)


def _tlm(stream: Stream, index: int, vocabulary: int) -> Micro:
    rng = np.random.default_rng(derive(stream.seed, "mask", index))
    rows = [stream.rows[i] for i in stream.batch(index)]
    sides = rng.random(len(rows)) < 0.5
    shares = [TLM_SHARES if side else TLM_SHARES[::-1] for side in sides]
    return _masked(rows, shares, TLM_FATES, vocabulary, rng)


def _masked(
    rows: Sequence[tuple[Ids, ...]],
    shares: Sequence[tuple[float, ...]],
    fates: tuple[float, float],
    vocabulary: int,
    rng: np.random.Generator,
) -> Micro:
    """Pad and mask: of the chosen places most become <mask>, some another token, some stay."""
    width = max(sum(len(part) + 2 for part in row) for row in rows)
    ids_BL = np.full((len(rows), width), PAD, dtype=np.int64)
    type_BL = np.zeros((len(rows), width), dtype=np.int64)
    share_BL = np.zeros((len(rows), width))
    for i, (row, parts) in enumerate(zip(rows, shares, strict=True)):
        place = 0
        for number, (part, share) in enumerate(zip(row, parts, strict=True)):
            ids_BL[i, place] = EOS if number else BOS
            ids_BL[i, place + 1 : place + 1 + len(part)] = part
            share_BL[i, place + 1 : place + 1 + len(part)] = share
            type_BL[i, place : place + 2 + len(part)] = number
            place += len(part) + 2
            ids_BL[i, place - 1] = EOS
    attention_BL = (ids_BL != PAD).astype(np.int64)
    chosen_BL = rng.random(ids_BL.shape) < share_BL
    if not chosen_BL.any():
        chosen_BL.ravel()[int(np.argmax(share_BL))] = True
    targets_BL = np.where(chosen_BL, ids_BL, IGNORE)
    fate_BL = rng.random(ids_BL.shape)
    other_BL = rng.integers(len(SPECIAL), vocabulary, ids_BL.shape)
    masked, replaced = fates
    ids_BL = np.where(chosen_BL & (fate_BL < masked), MASK, ids_BL)
    swapped_BL = chosen_BL & (fate_BL >= masked) & (fate_BL < masked + replaced)
    ids_BL = np.where(swapped_BL, other_BL, ids_BL)
    feeds = {"input_ids": ids_BL, "attention_mask": attention_BL, "token_type_ids": type_BL}
    return Micro(feeds=feeds, targets=targets_BL, weight=int(chosen_BL.sum()), examples=len(rows))
