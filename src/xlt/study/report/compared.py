"""What a study compares, in words: how each arm trains, and what each target asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlt.core.show.sheet import Sheet, Value
from xlt.core.tasks.table import TASKS
from xlt.study.answer.answer import Answer

__all__ = ["arm_sheet", "target_sheet"]

NOTHING = "nothing"
# control -> what stands in for the phases' tasks
CONTROLS = {
    "mlm": "masked LM on the texts of {}",
    "shuffled": "{}, its labels dealt out anew",
    "fake": "real or made-up text, from {}",
    "longer": NOTHING,
}
ASKS = {
    "xnli": "does the first sentence imply the second, contradict it, or neither?",
    "pawsx": "do two sentences mean the same?",
    "udpos": "the part of speech of each word",
    "panx": "names of persons, places and organisations",
    "xquad": "the answer to a question, a span of a paragraph",
    "mlqa": "the answer to a question, a span of a paragraph",
    "tydiqa": "the answer to a question, a span of a paragraph",
    "bucc2018": "which sentences of two texts are translations of each other?",
    "tatoeba": "the English translation of a sentence, among all",
    "xcopa": "which of two sentences is the cause, or the effect?",
}
OF_KIND = {"pair": "a label for a pair of texts", "tag": "a label for each word",
           "span": "a span of a text", "choice": "the right one of several texts"}  # fmt: skip


def arm_sheet(found: Answer) -> Sheet:
    """How each arm trains before its scores are taken."""
    folder = found.folder
    baseline = str(folder.estimand.get("baseline", "none"))
    rows = []
    for name in folder.arms:
        about = folder.arm(name)
        marked = f"{name} (baseline)" if name == baseline else name
        rows.append([marked, _before(about), about.get("joint") or "", _further(about)])
    return Sheet(
        name="arms",
        title="The arms: ways to train",
        header=("arm", "before the target", "together with it", "and"),
        rows=rows,
        note="What an arm is trained on before it comes to a target. Every arm then learns each "
        "target on its English training data and is scored in all languages; retrieval uses "
        f"the encoder as it is by then. A change: an arm minus {baseline}, in points.",
    )


def target_sheet(found: Answer) -> Sheet:
    """What each target asks, and in how many languages it is scored."""
    rows: list[list[Value]] = []
    for task in found.scores.tasks:
        langs = {place[1] for one in found.scores.linear.values() for place in one
                 if place[0] == task}  # fmt: skip
        known = TASKS.get(task)
        asks = ASKS.get(task) or (OF_KIND.get(known.kind, "") if known else "")
        rows.append([task, asks or "a task of a file", len(langs - {"en"})])
    return Sheet(
        name="targets",
        title="The targets: what is scored",
        header=("target", "what it asks for", "other languages"),
        rows=rows,
    )


def _before(about: Mapping[str, Any]) -> str:
    """The phases of an arm in order."""
    phases = [" + ".join(str(one).split(",")) for one in about.get("intermediate") or ()]
    if not phases:
        return NOTHING
    control = about.get("control")
    pattern = CONTROLS.get(str(control), "{}") if control else "{}"
    return ", then ".join(dict.fromkeys(pattern.format(phase) for phase in phases))


def _further(about: Mapping[str, Any]) -> str:
    """What else sets an arm apart."""
    told = []
    if about.get("control") == "longer":
        tasks = ", ".join(map(str, about.get("intermediate") or ()))
        told.append(f"the target takes the steps of {tasks} on top of its own")
    for whose, flags in (("phases", about.get("phase")), ("target", about.get("target"))):
        for name, value in (flags or {}).items():
            words = value if isinstance(value, str) else "yes"
            if isinstance(value, list | tuple):
                words = " ".join(map(str, value))
            told.append(f"{name.replace('_', ' ')} {words} ({whose})")
    return "; ".join(told)
