"""The English intermediate tasks on the hub: repositories, configs and columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xlt.core.tasks.table import NLI, TASKS
from xlt.data.hub.unit import Record, Unit, class_name, question, unit_of_rows

__all__ = ["english_units"]


def _nli(row: Mapping[str, Any]) -> dict[str, Any]:
    label = class_name(row["label"], NLI)
    return {"sentence1": row["premise"], "sentence2": row["hypothesis"], "gold_label": label}


def _qqp(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "question1": row["question1"],
        "question2": row["question2"],
        "is_duplicate": class_name(row["label"], ("not_duplicate", "duplicate")),
    }


def _anli(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "uid": row["uid"],
        "context": row["premise"],
        "hypothesis": row["hypothesis"],
        "label": class_name(row["label"], NLI),
    }


def _only(*columns: str) -> Record:
    return lambda row: {column: row[column] for column in columns}


def english_units(name: str) -> Iterator[Unit]:
    """The English sets of one intermediate task."""
    glue = "nyu-mll/glue"
    parts = TASKS[name].parts if name in TASKS else ()
    if "mnli" in {name, *parts}:
        for split, hub_split in (("train", "train"), ("dev", "validation_matched")):
            path = f"mnli/{split}.jsonl"
            yield unit_of_rows(name, "mnli", split, path, _nli, dataset=glue, hub_split=hub_split)
    if parts:
        for split in ("train", "dev"):
            for k in (1, 2, 3):
                path = f"anli/R{k}/{split}.jsonl"
                yield unit_of_rows(
                    name, "plain_text", split, path, _anli,
                    dataset="facebook/anli", hub_split=f"{split}_r{k}",
                )  # fmt: skip
            path = f"snli/{split}.jsonl"
            yield unit_of_rows(name, "plain_text", split, path, _nli, dataset="stanfordnlp/snli")
    if name in ENGLISH_SETS:
        dataset, config, record, paths = ENGLISH_SETS[name]
        for split, path in paths.items():
            yield unit_of_rows(name, config, split, path, record, dataset=dataset)


ENGLISH_SETS: dict[str, tuple[str, str, Record, dict[str, str]]] = {
    "qqp": (
        "nyu-mll/glue", "qqp", _qqp, {"train": "qqp/train.jsonl", "dev": "qqp/dev.jsonl"},
    ),
    "squad": (
        "rajpurkar/squad", "plain_text", question,
        {"train": "squad/train-v1.1.json", "dev": "squad/dev-v1.1.json"},
    ),
    "squad2": (
        "rajpurkar/squad_v2", "squad_v2", question,
        {"train": "squad2/train-v2.0.json", "dev": "squad2/dev-v2.0.json"},
    ),
    "hellaswag": (
        "Rowan/hellaswag", "default", _only("ind", "ctx_a", "ctx_b", "endings", "label"),
        {"train": "hellaswag/hellaswag_train.jsonl", "dev": "hellaswag/hellaswag_val.jsonl"},
    ),
    "cosmosqa": (
        "allenai/cosmos_qa", "default",
        _only("id", "context", "question", "answer0", "answer1", "answer2", "answer3", "label"),
        {"train": "cosmosqa/train.jsonl", "dev": "cosmosqa/valid.jsonl"},
    ),
    "csqa": (
        "tau/commonsense_qa", "default", _only("id", "question", "choices", "answerKey"),
        {"train": "commonsenseqa/train_rand_split.jsonl",
         "dev": "commonsenseqa/dev_rand_split.jsonl"},
    ),
}  # fmt: skip
