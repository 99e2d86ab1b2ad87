"""The bundle's README: a model card that says what it is, what it learnt from, and how to use it.

Front matter is JSON values under YAML keys, which every YAML reader takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xlt.core.kinds.table import kind_of
from xlt.export.checkpoint.fetching import HUB_ID
from xlt.export.checkpoint.kinds import EXPORTED
from xlt.export.plan import Job

__all__ = ["model_card"]

FEW = 8  # languages that are listed by name


def model_card(job: Job, parity: Mapping[str, Any], *, max_length: int) -> str:
    """README.md of a bundle.

    Args:
        job: what was exported.
        parity: the record of the gate.
        max_length: tokens of one input.
    """
    parts = [
        _front_matter(job),
        f"# {job.name}",
        _what(job, max_length),
        "## Intended use\n\n" + _intended(job),
        "## Trained on\n\n" + _trained_on(job),
        "## Lineage\n\n" + _lineage(job),
    ]
    if job.dev:
        rows = "\n".join(f"| {name} | {_score(value)} |" for name, value in _scores(job))
        parts.append(f"## Scores on English dev\n\n| metric | value |\n| :- | -: |\n{rows}")
    same = "in every batch" if job.checkpoint.graph else "as PyTorch"
    parts += [f"## Same {same}\n\n" + _parity(parity), "## Use\n\n" + _use(job)]
    return "\n\n".join(parts) + "\n"


def _front_matter(job: Job) -> str:
    fields: dict[str, Any] = {
        "base_model": _base_model(job),
        "library_name": EXPORTED[job.task.kind].library,
        "tags": ["onnx", "xlt", job.task.kind],
    }
    if licence := job.card.get("license"):
        fields["license"] = licence
    if languages := list(job.trained_on.get("languages") or job.card.get("language") or []):
        fields["language"] = languages
    pipeline = EXPORTED[job.task.kind].pipeline
    if pipeline:
        fields["pipeline_tag"] = pipeline
    metrics = [{"type": name, "value": value} for name, value in _scores(job)]
    if metrics:
        result = {
            "task": {"type": pipeline or job.task.kind},
            "dataset": {"name": job.task.name, "type": job.task.name, "split": "dev"},
            "metrics": metrics,
        }
        fields["model-index"] = [{"name": job.name, "results": [result]}]
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _base_model(job: Job) -> str:
    """The hub id, or the name of the folder that the model started from: no path of a machine."""
    named = str(job.lineage.get("base_model") or job.checkpoint.public_name)
    folder = Path(named).expanduser()
    recorded = Path(job.base).is_absolute() and Path(job.base).name == folder.name
    if recorded or named[0] in "./~" or not HUB_ID.fullmatch(named) or folder.exists():
        return folder.resolve().name
    return named


def _what(job: Job, max_length: int) -> str:
    task = job.task
    lines = [
        f"- Base model: `{_base_model(job)}` "
        f"({job.checkpoint.model_type}, {job.checkpoint.depth} blocks)",
        f"- Answers: {', '.join(job.answers)} (kind `{task.kind}`), up to {max_length} tokens",
    ]
    if kind_of(task).classes:
        lines.append(f"- Labels, in the order of the logits: {', '.join(task.labels)}")
    if job.layer is not None:
        lines.append(
            f"- Vectors: hidden state {job.layer} of {job.checkpoint.depth}, {job.pooling} "
            "pooling, L2 norm 1; later blocks are not in the graph"
        )
    lines += _fitted(job)
    if job.dimensions:
        widths = ", ".join(map(str, job.dimensions))
        lines.append(f"- Vectors may be cut to {widths} numbers and scaled to length 1 again")
    return "\n".join(lines)


def _intended(job: Job) -> str:
    """What it is for, under which licence, and what has not been looked at."""
    licence = job.card.get("license")
    told = (
        f"Licence of the base model, by its card: {licence}."
        if licence
        else "Licence: not declared here; that of the base model and of the training data holds."
    )
    return (
        f"For {EXPORTED[job.task.kind].purpose or 'tasks of its kind'}. In languages that it was "
        "not trained on, measure it first: transfer differs widely between languages. It was not "
        f"checked for bias or for safety.\n\n{told}"
    )


def _lineage(job: Job) -> str:
    """Where the weights come from."""
    lineage = job.lineage
    lines = [f"- Base model: `{_base_model(job)}`"]
    if revision := lineage.get("revision"):
        lines.append(f"- Revision: `{revision}`")
    phases = [str(phase["name"]) for phase in lineage.get("phases", [])]
    if phases:
        lines.append(f"- Phases: {', '.join(phases)}")
    if lineage.get("seed") is not None:
        lines.append(f"- Seed: {lineage['seed']}")
    if versions := lineage.get("versions"):
        lines.append("- Trained with " + ", ".join(f"{k} {v}" for k, v in versions.items()))
    return "\n".join(lines)


def _fitted(job: Job) -> list[str]:
    """How the block was chosen and what the vectors are corrected by, where anything was."""
    lines = []
    if chosen := job.lineage.get("layer_sweep"):
        scores = ", ".join(f"{k}: {value:.1f}" for k, value in chosen["mean"].items())
        read = ", ".join(f"{name} ({count})" for name, count in chosen["pairs"].items())
        lines.append(
            f"- Block {chosen['chosen']} was {chosen['label']}, so scores in these languages are "
            f"not zero-shot. Pairs: {read}. {chosen['measure'].capitalize()}, by block: {scores}"
        )
    if post := job.lineage.get("post"):
        on = post["fitted_on"]
        lines.append(
            f"- Centred: the mean vector of {on['texts']} {' and '.join(on['sources'])} texts in "
            f"{len(on['languages'])} languages ({', '.join(on['languages'])}) is taken away; no "
            "test text was read"
        )
    if job.default_prompt:
        lines.append(f"- Before every text stands {job.prompts[job.default_prompt]!r}")
    return lines


def _trained_on(job: Job) -> str:
    if not job.trained_on.get("declared"):
        return "Not declared by the checkpoint. Scores on public test sets may rest on them."
    phases = [
        f"{n}. {phase['name']} ({', '.join(phase['tasks'])})"
        for n, phase in enumerate(job.lineage.get("phases", []), 1)
    ]
    data = [
        f"| {task} | {_few(langs)} | {split} | {items} |"
        for (task, split), (langs, items) in _by_task(job.trained_on["data"]).items()
    ]
    text = (
        f"Base model: {job.trained_on.get('base') or 'not declared'}.\n\nTasks: "
        + (", ".join(job.trained_on["tasks"]) or "none")
        + "."
    )
    if phases:
        text += " Phases before the target:\n\n" + "\n".join(phases)
    if data:
        head = "| data | languages | split | items |\n| :- | :- | :- | -: |\n"
        text += "\n\n" + head + "\n".join(data)
    if job.lineage.get("overlaps"):
        text += f"\n\n{len(job.lineage['overlaps'])} overlaps with test files: see `xlt.json`."
    return text


def _by_task(data: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[list[str], int]]:
    """Languages and items of each task and split."""
    found: dict[tuple[str, str], tuple[list[str], int]] = {}
    for entry in data:
        langs, items = found.get((entry["task"], entry["split"]), ([], 0))
        found[entry["task"], entry["split"]] = ([*langs, entry["lang"]], items + entry["n"])
    return found


def _few(langs: list[str]) -> str:
    return " ".join(langs) if len(langs) <= FEW else f"{len(langs)} languages"


def _parity(parity: Mapping[str, Any]) -> str:
    text = (
        f"ONNX Runtime against {parity['reference']}, {parity['rows']} rows of {parity['text']}, "
        f"{len(parity['shapes'])} batch shapes: largest difference {parity['max_difference']:.1e}"
    )
    if "min_cosine" in parity:
        return f"{text}, smallest cosine {parity['min_cosine']:.6f}."
    return (
        f"{text}; {parity['changed_predictions']} of {parity['clear_predictions']} "
        "clear predictions changed."
    )


def _use(job: Job) -> str:
    row, vectors = EXPORTED[job.task.kind], kind_of(job.task).vectors
    asked = f"engine.encode({row.snippet}).shape" if vectors else f"engine.predict([{row.snippet}])"
    blocks = [f'import xlt\n\nengine = xlt.open("{job.name}")\nprint({asked})']
    if vectors:
        blocks.append(
            "from sentence_transformers import SentenceTransformer\n\n"
            f'model = SentenceTransformer("{job.name}", backend="onnx")\n'
            f"print(model.encode({row.snippet}).shape)"
        )
    else:
        blocks.append(
            f"from optimum.onnxruntime import {row.ort_class}\n\n"
            f'model = {row.ort_class}.from_pretrained("{job.name}", subfolder="onnx")'
        )
    return "\n\n".join(f"```python\n{block}\n```" for block in blocks)


def _scores(job: Job) -> list[tuple[str, float]]:
    """The dev scores that are numbers."""
    return [
        (name, float(value))
        for name, value in job.dev.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def _score(value: float) -> str:
    return f"{value:.2f}"
