"""What a foreign model says of itself: the front matter of its card, as a bundle needs it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xlt.core.tasks.table import TASKS

__all__ = ["card_facts", "declared_training"]

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
