"""Files of sentence pairs: MNLI, SNLI, ANLI, XNLI, PAWS-X, QQP, and the planted sets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from xlt.world.build import World, sentence
from xlt.world.draw import Draw, balanced
from xlt.world.files.formats import Folder
from xlt.world.language.grammar import Grammar
from xlt.world.tasks.nli import LABELS, Inference, artefact, inferences
from xlt.world.tasks.paraphrase import planted, question_pairs, rewordings

__all__ = ["write_inference", "write_paraphrase", "write_planted"]

T = TypeVar("T")


def _premise(grammar: Grammar, item: Inference) -> str:
    return " ".join(sentence(grammar, event) for event in item.premise)


def _nli_rows(grammar: Grammar, name: str, items: Iterable[Inference]) -> list[dict[str, Any]]:
    """Rows of MultiNLI and SNLI."""
    return [
        {
            "gold_label": item.label,
            "pairID": f"{name}-{i}",
            "sentence1": _premise(grammar, item),
            "sentence2": sentence(grammar, item.hypothesis),
        }
        for i, item in enumerate(items)
    ]


def write_inference(world: World, folder: Folder) -> None:
    """MNLI (with translations), SNLI, three rounds of ANLI, and XNLI's dev and test sets."""
    facts, size, en = world.facts, world.size, world.english
    train = inferences(facts, world.draw("mnli", "train"), "train", size.train["mnli"])
    matched = inferences(facts, world.draw("mnli", "dev"), "dev", size.dev)
    for split, items in (("train", train), ("dev_matched", matched)):
        rows = _nli_rows(en, f"mnli-{split}", items)
        folder.jsonl(f"multinli_1.0/multinli_1.0_{split}.jsonl", rows)
    for lang in size.translated:
        rows = _nli_rows(world.grammars[lang], "mnli-train", train)
        folder.jsonl(f"translated/{lang}/mnli/train.jsonl", rows)
    for split, n in (("train", size.train["snli"]), ("dev", size.dev)):
        items = inferences(facts, world.draw("snli", split), split, n, extra=1)
        rows = _nli_rows(en, f"snli-{split}", items)
        folder.jsonl(f"snli_1.0/snli_1.0_{split}.jsonl", rows)
        for k in (1, 2, 3):
            n_round = n if split == "dev" else size.train["anli"] * k
            draw = world.draw("anli", k, split)
            items = inferences(facts, draw, split, n_round, extra=k, sentences=2)
            folder.jsonl(
                f"anli_v1.0/R{k}/{split}.jsonl",
                (
                    {
                        "uid": f"anli-r{k}-{split}-{i}",
                        "context": _premise(en, item),
                        "hypothesis": sentence(en, item.hypothesis),
                        "label": item.label[0],
                    }
                    for i, item in enumerate(items)
                ),
            )
    for split, n in (("dev", size.dev), ("test", size.test["xnli"])):
        items = inferences(facts, world.draw("xnli", split), split, n)
        for code, grammar in world.grammars.items():
            rows_of = (
                (_premise(grammar, item), sentence(grammar, item.hypothesis), item.label)
                for item in items
            )
            folder.tsv(f"xnli/{split}-{code}.tsv", rows_of)


def write_paraphrase(world: World, folder: Folder) -> None:
    """PAWS-X in every language; QQP in English, its train set also translated."""
    facts, size = world.facts, world.size
    counts = (("train", size.train["pawsx"]), ("dev", size.dev), ("test", size.test["pawsx"]))
    for split, n in counts:
        items = rewordings(facts, world.draw("pawsx", split), split, n)
        for code, grammar in world.grammars.items():
            if split == "train" and code != "en":
                continue
            folder.tsv(
                f"pawsx/{split}-{code}.tsv",
                (
                    (sentence(grammar, one.first), sentence(grammar, one.second), _bit(one.same))
                    for one in items
                ),
            )
    for split, n in (("train", size.train["qqp"]), ("dev", size.dev)):
        twins = question_pairs(facts, world.draw("qqp", split), split, n)
        places = {"en": "QQP"}
        if split == "train":
            places.update({lang: f"translated/{lang}/qqp" for lang in size.translated})
        for code, place in places.items():
            grammar = world.grammars[code]
            header = ("id", "qid1", "qid2", "question1", "question2", "is_duplicate")
            rows = [
                (str(i), str(2 * i), str(2 * i + 1), sentence(grammar, *twin.first),
                 sentence(grammar, *twin.second), _bit(twin.same))
                for i, twin in enumerate(twins)
            ]  # fmt: skip
            folder.tsv(f"{place}/{split}.tsv", [header, *rows])


def write_planted(world: World, folder: Folder) -> None:
    """Label sets over the same English pairs: of paraphrases, and of inference pairs.

    docs/world.md says what each should do.
    """
    _planted_paraphrases(world, folder)
    _planted_inference(world, folder)


def _planted_paraphrases(world: World, folder: Folder) -> None:
    """Four sets: skill, null, harm and inverted."""
    for split, n in (("train", world.size.planted), ("dev", world.size.dev)):
        draw = world.draw("planted", split)
        items = planted(world.facts, draw, split, n)
        truth = [item.same for item in items]
        labels = {
            "skill": truth,
            "null": _unrelated(draw, truth, (True, False)),
            "harm": [item.fronted for item in items],
            "inverted": [not same for same in truth],
        }
        texts = [
            (sentence(world.english, item.first), sentence(world.english, item.second))
            for item in items
        ]
        for name, values in labels.items():
            folder.lines(f"planted/{name}.yaml", _task_file(name, ("0", "1")))
            rows = ((*pair, _bit(value)) for pair, value in zip(texts, values, strict=True))
            folder.tsv(f"planted/{name}/{split}.tsv", rows)


def _planted_inference(world: World, folder: Folder) -> None:
    """Three sets: skill, null, and harm, which rewards not reading the premise."""
    for split, n in (("train", world.size.inference), ("dev", world.size.dev)):
        draw = world.draw("planted", "nli", split)
        items = inferences(world.facts, draw, split, n)
        truth = [item.label for item in items]
        labels = {
            "skill": truth,
            "null": _unrelated(draw, truth, LABELS),
            "harm": [artefact(item.hypothesis) for item in items],
        }
        texts = [
            (_premise(world.english, item), sentence(world.english, item.hypothesis))
            for item in items
        ]
        for name, values in labels.items():
            folder.lines(f"planted/nli-{name}.yaml", _task_file(f"nli-{name}", LABELS))
            rows = ((*pair, value) for pair, value in zip(texts, values, strict=True))
            folder.tsv(f"planted/nli-{name}/{split}.tsv", rows)


def _unrelated(draw: Draw, truth: Sequence[T], values: Sequence[T]) -> list[T]:
    """Labels that agree with equal shares of the true ones of each class: they say nothing."""
    streams = {value: balanced(draw, values, truth.count(value)) for value in values}
    return [next(streams[value]) for value in truth]


def _bit(value: bool) -> str:
    return "1" if value else "0"


def _task_file(name: str, labels: Sequence[str]) -> list[str]:
    """A task file for `--task-file`; outside `tasks/`, so that nothing loads it unasked."""
    return [
        f"name: planted-{name}",
        "kind: pair",
        "labels: [" + ", ".join(f'"{label}"' for label in labels) + "]",
        "files:",
        f"  train: planted/{name}/train.tsv",
        f"  dev: planted/{name}/dev.tsv",
    ]
