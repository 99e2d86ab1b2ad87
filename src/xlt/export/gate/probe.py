"""The texts that the parity gate runs: ours in 14 scripts, and dev text of a data root.

Each of our texts comes short and at full length, as an item of any kind. No test item is read
and no token ids are invented, so the gate sees what the model will see.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from xlt.core.files import sha256_json
from xlt.core.inference import probe
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.examples import Example, Sentence
from xlt.core.tasks.table import TASKS, Task
from xlt.data import DataRoot

__all__ = ["Probe", "dev_items", "gate_text", "probe_items", "probes_sha256"]

DEV_ITEMS = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One input of the gate; `name` says where it comes from."""

    name: str
    item: Example


def probe_items(task: Task, max_length: int) -> list[Probe]:
    """Our own texts as items of the task's kind, short and longer than the model takes.

    Args:
        task: decides the kind and, for choice tasks, the number of choices.
        max_length: tokens of the model; the long form has at least as many words.
    """
    return [Probe(name=name, item=item) for name, item in probe.probe_items(task, max_length)]


def dev_items(root: DataRoot, task: Task, answers: Sequence[str]) -> list[Probe]:
    """Up to 96 dev items of the tasks that a bundle answers, spread over languages.

    SQuAD's dev files are left out: XQuAD's test set is translated from them. Encoders take text
    that pretraining may read. Nothing is found where there are no such files.
    """
    if kind_of(task).vectors:
        return _embed_items(root)
    known = [TASKS[name] for name in answers if name in TASKS]
    sets = [
        (one, lang)
        for one in known
        if not kind_of(one).dev_of_source or one.role == "target"
        for lang in root.langs(one, "dev")
    ]
    found: list[Probe] = []
    share = max(1, DEV_ITEMS // max(1, len(sets)))
    for one, lang in sets[:DEV_ITEMS]:
        examples = root.read(one, lang, "dev").examples
        step = max(1, len(examples) // share)
        found += [
            Probe(name=f"{one.name}/dev/{lang}/{item.id}", item=item)
            for item in examples[::step][:share]
        ]
    return found


def gate_text(
    task: Task, answers: Sequence[str], max_length: int, root: DataRoot | None
) -> tuple[list[Probe], str, str | None]:
    """What the gate of a bundle reads: our texts, and dev text of a data root.

    Returns:
        The probes, what they are in words, and the hash of the dev text (None without).
    """
    probes = probe_items(task, max_length)
    text = f"{len(probes)} probe texts"
    dev = dev_items(root, task, answers) if root is not None else []
    if root is not None and dev:
        probes += dev
        text += f" and {len(dev)} dev texts of the data root {root.path.name}"
    return probes, text, probes_sha256(dev)


def probes_sha256(probes: Sequence[Probe]) -> str | None:
    """Hash over names and items; None when there are none."""
    return sha256_json([asdict(probe) for probe in probes]) if probes else None


def _embed_items(root: DataRoot) -> list[Probe]:
    """The first lines of each language's own text, and of BUCC's dev part."""
    bucc = TASKS["bucc2018"]
    sources: dict[str, Iterable[str]] = {
        f"text/{code}": root.text(code) for code in root.text_langs()
    }
    for lang in root.langs(bucc, "dev"):
        bitext = root.read(bucc, lang, "dev").bitext
        sources[f"bucc2018/dev/{lang}"] = [s.text for s in bitext.foreign] if bitext else []
    share = max(1, DEV_ITEMS // max(1, len(sources)))
    return [
        Probe(name=f"{name}/{number}", item=Sentence(id=str(number), text=text))
        for name, lines in itertools.islice(sources.items(), DEV_ITEMS)
        for number, text in enumerate(itertools.islice(lines, share))
    ]
