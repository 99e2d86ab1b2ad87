"""What a base model was trained on before: from the run it comes from, its card, or the user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers.utils import cached_file

from xlt.train.plan.plan import Plan

__all__ = ["NOT_DECLARED", "trained_before"]

NOT_DECLARED = "not declared"
CARD = "README.md"
MOST_BYTES = 1 << 20


def trained_before(plan: Plan) -> dict[str, Any]:
    """What the run's base model has learnt from, and who says so.

    Returns:
        `by`: run, xlt (a compact encoder made here: phase 0 says all), card, flag or None;
        `text`: in words; `data_sets`: names, where a card lists them.
    """
    base = plan.base
    if base.source is None:
        return {"by": "xlt", "text": "nothing: made here", "data_sets": []}
    if base.lineage:
        inherited = base.lineage.get("trained_before")
        if inherited and inherited.get("by"):
            return dict(inherited)
    else:
        listed = _data_sets(_card(base.source))
        if listed:
            return {"by": "card", "text": ", ".join(listed), "data_sets": listed}
    if plan.trained_on:
        return {"by": "flag", "text": plan.trained_on, "data_sets": []}
    return {"by": None, "text": NOT_DECLARED, "data_sets": []}


def _card(source: str | Path) -> str:
    """The text of a model's card; empty without one."""
    path: Path | None = Path(source) / CARD
    if not Path(source).is_dir():
        try:
            found = cached_file(str(source), CARD, _raise_exceptions_for_missing_entries=False)
        except OSError:
            return ""
        path = Path(found) if found else None
    if path is None or not path.is_file():
        return ""
    with path.open("rb") as stream:
        return stream.read(MOST_BYTES).decode("utf-8", "replace")


def _data_sets(card: str) -> list[str]:
    """`datasets` of a card's front matter."""
    lines = card.splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in map(str.strip, lines[1:]):
        return []
    end = [line.strip() for line in lines[1:]].index("---") + 1
    import yaml

    try:
        matter = yaml.safe_load("\n".join(lines[1:end]))
    except yaml.YAMLError:
        return []
    listed = matter.get("datasets") if isinstance(matter, dict) else None
    if isinstance(listed, str):
        return [listed]
    return [str(one) for one in listed] if isinstance(listed, list) else []
