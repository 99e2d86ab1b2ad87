"""What a model has learnt from: by its run, by the front matter of its card, or by the user."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xlt.core.artifacts.runs import Run
from xlt.core.tasks.table import TASKS

__all__ = ["card_facts", "declared_training", "lineage_of", "run_training"]

# What run.json calls the collections that tokenizers and pretraining read.
PLAIN_TEXT = {"text", "parallel"}
CARD = "README.md"
MOST_BYTES = 1 << 20
LISTS = ("datasets", "language")
# Names of data sets on the hub, without owner and signs -> our tasks that they train.
KNOWN = {
    "multinli": "mnli", "mnli": "mnli", "gluemnli": "mnli", "xnli": "xnli", "snli": "snli",
    "stanfordnli": "snli", "anli": "anli", "pawsx": "pawsx", "paws": "pawsx",
    "universaldependencies": "udpos", "wikiann": "panx", "panx": "panx", "squad": "squad",
    "squadv2": "squad2", "xquad": "xquad", "mlqa": "mlqa", "tydiqa": "tydiqa", "qqp": "qqp",
    "hellaswag": "hellaswag", "cosmosqa": "cosmosqa", "commonsenseqa": "csqa",
    "tatoeba": "tatoeba", "bucc": "bucc2018",
}  # fmt: skip


def card_facts(folder: Path) -> dict[str, Any]:
    """`datasets`, `language` (lists) and `license` of a model card; what it lacks is left out.

    YAML is read as cards write it: `key: value`, `key: [a, b]`, or a list of `- item` lines.
    """
    path = folder / CARD
    if not path.is_file():
        return {}
    with path.open("rb") as stream:
        lines = stream.read(MOST_BYTES).decode("utf-8", "replace").splitlines()
    matter = _matter(lines)
    found: dict[str, Any] = {name: matter[name] for name in LISTS if matter.get(name)}
    if matter.get("license"):
        found["license"] = matter["license"][0]
    return found


def declared_training(folder: Path, text: str | None) -> dict[str, Any]:
    """The manifest's `trained_on` of a model that no run of ours has made.

    Args:
        folder: of the model.
        text: what the user says (`--trained-on`); it goes before the card.
    """
    empty: dict[str, Any] = {"declared": False, "tasks": [], "languages": [], "data": []}
    listed = card_facts(folder).get("datasets", [])
    if text is None and not listed:
        return empty
    names = re.split(r"[,;\s]+", text) if text is not None else listed
    tasks = [task for name in names if (task := _task(name)) is not None]
    return {
        **empty,
        "declared": True,
        "by": "card" if text is None else "flag",
        "base": text if text is not None else ", ".join(listed),
        "tasks": list(dict.fromkeys(tasks)),
    }


def run_training(
    run: Run,
    source: str | None,
    phases: Sequence[Mapping[str, Any]] | None = None,
    joint: Sequence[str] = (),
) -> dict[str, Any]:
    """Tasks, languages and files that this model has learnt from; dev files are not among them.

    Args:
        run: the run.
        source: the task whose data trained the target; None for an encoder or a phase.
        phases: those before it and itself; None: all of the run.
        joint: tasks that the target was trained together with.
    """
    lineage = run.record["lineage"]
    before = lineage.get("phases", []) if phases is None else phases
    named = [name for phase in before for name in phase["tasks"]]
    tasks = [*named, *([source] if source else []), *joint[1:]]
    sources = {TASKS[name].source if name in TASKS else name for name in tasks} | set(tasks)
    data = [
        entry
        for entry in lineage.get("data", [])
        if entry["task"] in sources | PLAIN_TEXT and entry["split"] != "dev"
    ]
    before_run = lineage.get("trained_before") or {}
    return {
        "declared": True,
        "base": before_run.get("text") or "not declared",
        "tasks": list(dict.fromkeys(tasks)),
        "languages": sorted({str(entry["lang"]) for entry in data}),
        "data": data,
    }


def lineage_of(run: Run) -> dict[str, Any]:
    """What the run says about where its models come from; file lists are in `trained_on`."""
    return {key: value for key, value in run.record["lineage"].items() if key != "data"}


def _task(name: str) -> str | None:
    plain = re.sub(r"[^a-z0-9]", "", name.rpartition("/")[2].lower())
    known = KNOWN.get(plain)
    return known if known in TASKS else None


def _matter(lines: list[str]) -> Mapping[str, list[str]]:
    """Keys at the left margin of the front matter -> their values."""
    found: dict[str, list[str]] = {}
    if not lines or lines[0].strip() != "---":
        return found
    key = ""
    for line in lines[1:]:
        if line.strip() == "---":
            return found
        item = re.match(r"\s*-\s+(.+)$", line)
        entry = re.match(r"([A-Za-z_][\w-]*):\s*(.*)$", line)
        if entry:
            key = entry[1]
            found[key] = _values(entry[2].strip())
        elif item and key:
            found[key] += _values(item[1].strip())
    return {}  # the matter does not end


def _values(text: str) -> list[str]:
    if not text or text.startswith("#"):
        return []
    if text[0] == "[" and text[-1] == "]":
        try:
            return [str(value) for value in json.loads(text)]
        except ValueError:
            return [value.strip(" '\"") for value in text[1:-1].split(",") if value.strip()]
    return [text.strip("'\"")]
