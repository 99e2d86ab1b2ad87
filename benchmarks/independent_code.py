"""Answers of plain transformers and sentence-transformers, for `independent.py`; nothing of xlt.

Each function reads a file in its published layout and answers one item after the other.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from transformers import AutoTokenizer

TOLERANCE = 1e-3  # of logits
STRIDE = 128  # tokens between the starts of two windows
CLOSE = 1e-5  # of cosines


@dataclass
class Found:
    """What independent code answers: an item's answer, and others that are as good as it."""

    answers: list[Any]
    close: list[set[Any]]
    known: list[dict[Any, str]] = field(default_factory=list)


def lines(path: Path) -> list[str]:
    """Lines of a plain or gzip file."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return data.decode("utf-8").replace("\r\n", "\n").split("\n")


def sentences(text: Sequence[str]) -> Iterator[list[str]]:
    """Words of each sentence of a two-column file."""
    for filled, group in itertools.groupby(text, key=lambda line: bool(line.strip(" \t"))):
        if filled:
            yield [line.split("\t")[0] for line in group]


def pair(model: Any, tokenizer: Any, path: Path, length: int) -> Found:
    """Sequence classification, one item at a time."""
    found = Found([], [])
    for line in (line for line in lines(path) if line):
        first, second = line.split("\t")[:2]
        batch = tokenizer(first, second, truncation=True, max_length=length, return_tensors="pt")
        logits = model(**batch).logits[0].numpy()
        names = [model.config.id2label[i] for i in range(len(logits))]
        found.answers.append(names[int(logits.argmax())])
        found.close.append({names[i] for i in near(logits)})
    return found


def choice(model: Any, tokenizer: Any, path: Path, length: int) -> Found:
    """Multiple choice; HellaSwag's second context begins every ending."""
    found = Found([], [])
    for row in (json.loads(line) for line in lines(path) if line):
        endings = [f"{row['ctx_b']} {ending}".strip() for ending in row["endings"]]
        batch = tokenizer(
            [row["ctx_a"]] * len(endings),
            endings,
            truncation=True,
            padding=True,
            max_length=length,
            return_tensors="pt",
        )
        scores = model(**{k: v[None] for k, v in batch.items()}).logits[0].numpy()
        found.answers.append(str(int(scores.argmax())))
        found.close.append({str(i) for i in near(scores)})
    return found


def tag(model: Any, tokenizer: Any, path: Path, length: int) -> Found:
    """Token classification by the first sub-word; long sentences in pieces, as XTREME's are."""
    found = Found([], [])
    room = length - tokenizer.num_special_tokens_to_add()
    for words in sentences(lines(path)):
        pieces: list[list[str]] = [[]]
        used = 0
        for word in words:
            alone = tokenizer([word], is_split_into_words=True, add_special_tokens=False)
            n = len(alone["input_ids"])
            if used + n > room and pieces[-1]:
                pieces.append([])
                used = 0
            pieces[-1].append(word)
            used += n
        for piece in pieces:
            batch = tokenizer(
                piece,
                is_split_into_words=True,
                truncation=True,
                max_length=length,
                return_tensors="pt",
            )
            logits = model(**batch).logits[0].numpy()
            places = batch.word_ids(0)
            for word in range(len(piece)):
                if word not in places:  # it has no token: any tag is a rule of its own
                    found.answers.append(None)
                    found.close.append(set(model.config.label2id))
                    continue
                row = logits[places.index(word)]
                found.answers.append(model.config.id2label[int(row.argmax())])
                found.close.append({model.config.id2label[i] for i in near(row)})
    return found


def span(model: Any, tokenizer: Any, path: Path, length: int) -> Found:
    """Answers as BERT's run_squad finds them: windows, most context, 20 best, 30 sub-words."""
    found = Found([], [], [])
    for context, question in questions(path):
        asked = tokenizer(question, add_special_tokens=False)["input_ids"][:64]
        short = question if len(asked) < 64 else tokenizer.decode(asked)
        room = length - tokenizer.num_special_tokens_to_add(pair=True) - len(asked)
        batch = tokenizer(
            short, context, truncation="only_second", max_length=length, padding=True,
            stride=max(0, room - STRIDE), return_overflowing_tokens=True,
            return_offsets_mapping=True, return_tensors="pt",
        )  # fmt: skip
        offsets = batch.pop("offset_mapping").numpy()
        batch.pop("overflow_to_sample_mapping")
        inside = [[s == 1 for s in batch.sequence_ids(w)] for w in range(len(offsets))]
        outputs = model(**batch)
        first = [int(np.argmax(row)) for row in inside]
        n_inside = [sum(row) for row in inside]
        total = max(STRIDE * w + n for w, n in enumerate(n_inside))
        best = [most_context(place, n_inside) for place in range(total)]
        scored = []
        for w in range(len(offsets)):
            real = int(batch["attention_mask"][w].sum())
            starts = outputs.start_logits[w, :real].numpy()
            ends = outputs.end_logits[w, :real].numpy()
            for s in np.argsort(-starts, kind="stable")[:20]:
                for e in np.argsort(-ends, kind="stable")[:20]:
                    ok = inside[w][s] and inside[w][e] and s <= e < s + 30
                    if ok and best[STRIDE * w + s - first[w]] == w:
                        score = float(starts[s]) + float(ends[e])
                        scored.append((score, offsets[w][s][0], offsets[w][e][1]))
        scored = sorted(scored, key=lambda one: (-one[0], one[1], one[2]))
        texts = [(score, context[a:b].strip()) for score, a, b in scored if context[a:b].strip()]
        top = texts[0] if texts else (0.0, "")
        found.answers.append(top[1])
        found.close.append({text for score, text in texts if score > top[0] - TOLERANCE} or {""})
        found.known.append(widened(context, scored[0][1:], top[1]) if scored else {})
    return found


def most_context(place: int, n_inside: Sequence[int]) -> int:
    """The window in which a token of the context has most context on its scarcer side."""
    rated = [
        (min(place - STRIDE * w, STRIDE * w + n - 1 - place) + 0.01 * n, -w)
        for w, n in enumerate(n_inside)
        if STRIDE * w <= place < STRIDE * w + n
    ]
    return -max(rated)[1]


def widened(context: str, place: tuple[int, int], text: str) -> dict[Any, str]:
    """The answer with up to three more characters at its end, which may have no token."""
    end = int(place[1])
    longer = {context[place[0] : end + n].strip() for n in (1, 2, 3)}
    return dict.fromkeys(longer - {text}, "characters")


def questions(path: Path) -> Iterator[tuple[str, str]]:
    """(context, question) of a SQuAD file."""
    for article in json.loads("\n".join(lines(path)))["data"]:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                yield paragraph["context"], asked["question"]


def embed(folder: Path, foreign: Path, english: Path, length: int) -> Found:
    """For each English line, sorted by code point, the nearest foreign line by cosine."""
    from sentence_transformers import SentenceTransformer, models

    encoder = models.Transformer(str(folder), max_seq_length=length)
    pooling = models.Pooling(encoder.get_word_embedding_dimension(), pooling_mode="mean")
    model = SentenceTransformer(modules=[encoder, pooling], device="cpu")
    texts = [[line for line in lines(path) if line] for path in (english, foreign)]
    one, other = (model.encode(t, normalize_embeddings=True, batch_size=1) for t in texts)
    order = sorted(range(len(texts[0])), key=texts[0].__getitem__)
    cosines = one[order] @ other.T
    return Found(
        [str(int(row.argmax())) for row in cosines],
        [{str(i) for i in near(row, CLOSE)} for row in cosines],
    )


def pipeline_rows(
    folder: Path, path: Path, ours: Sequence[str], length: int
) -> Iterator[tuple[str, int, int]]:
    """(setting, differences, of them with several windows) of transformers' pipeline."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    asker = transformers.pipeline("question-answering", model=str(folder), tokenizer=tokenizer)
    for whole in (True, False):
        counted: Counter[bool] = Counter()
        for (context, question), answer in zip(questions(path), ours, strict=True):
            said = asker(
                question=question,
                context=context,
                align_to_words=whole,
                doc_stride=STRIDE,
                max_seq_len=length,
                max_answer_len=30,
            )
            if said["answer"].strip() != answer:
                counted[len(tokenizer(question, context)["input_ids"]) > length] += 1
        yield f"pipeline, align_to_words={whole}", counted.total(), counted[True]


def near(values: Any, tolerance: float = TOLERANCE) -> list[int]:
    """Places of the values that are as good as the highest."""
    return [int(place) for place in np.flatnonzero(values > values.max() - tolerance)]


CODE = {"pair": pair, "choice": choice, "tag": tag, "span": span}
AUTO = {
    "pair": "AutoModelForSequenceClassification",
    "choice": "AutoModelForMultipleChoice",
    "tag": "AutoModelForTokenClassification",
    "span": "AutoModelForQuestionAnswering",
}
