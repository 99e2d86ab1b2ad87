"""What a study will cost: seconds and bytes of every stage that is not done yet.

Speeds are those that finished trainings in the store were measured with, for the same model and
kind of task; else the compact encoder's on one core of a 2.5 GHz Xeon (benchmarks/README.md), or,
for a larger model, its floating-point operations over a speed that is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import read_json
from xlt.study.file.records import COMPACT
from xlt.study.plan.records import OUTPUT, Plan, Stage

__all__ = ["EPOCHS", "FORMULA", "Known", "estimate"]

PRETRAIN_STEPS, PRETRAIN_RATE = 2400, 33.0  # steps a second
# Examples a second, compact encoder, one thread (measured on the small world).
RATES = {"pair": 900.0, "tag": 1700.0, "span": 770.0, "choice": 260.0, "mlm": 800.0}
# Epochs of a training by its kind where no flag says it; a test holds them against the trainer.
EPOCHS = {
    COMPACT: {"pair": 4.0, "choice": 4.0, "tag": 4.0, "span": 3.0, "mlm": 1.0},
    "other": {"pair": 3.0, "choice": 7.0, "tag": 10.0, "span": 3.0, "mlm": 1.0},
}
ROWS = 32  # examples of a step
START_SECONDS = {
    "train": 5.0,
    "average": 12.0,
    "export": 7.0,
    "eval": 1.0,
}  # imports, reading, writing
WORLD_SECONDS = {"tiny": 1.0, "small": 12.0, "medium": 60.0}
EVAL_SECONDS = 1.0  # a task of the small world in seven languages
COMPACT_BYTES = {
    "train": 8_000_000,
    "average": 8_000_000,
    "export": 4_000_000,
    "eval": 200_000,
    "world": 40_000_000,
}
# (layers, width, vocabulary) of models that are known by name
SHAPES = {
    "xlm-roberta-large": (24, 1024, 250_002), "xlm-roberta-base": (12, 768, 250_002),
    "bert-base-multilingual-cased": (12, 768, 119_547), "mdeberta-v3-base": (12, 768, 251_000),
}  # fmt: skip
OTHER_SHAPE = (12, 768, 250_002)
# Tokens of an example, padding included: rounded means of XTREME's English training data.
TOKENS = {"pair": 48.0, "choice": 4 * 90.0, "tag": 32.0, "span": 256.0, "mlm": 64.0}
TEST_TOKENS = 15 * 5000 * 48.0  # of one target in all its languages, the order of XNLI's
BYTES = 5.0  # of a token in a test file: labels, markup and two-byte letters included
READ_AGAIN = {
    "mlqa": 4.0,
    "xquad": 4.0,
    "tydiqa": 1.5,
}  # one context, several questions and windows
GPU_FLOPS, CPU_FLOPS = 1.2e14, 5e10
FORMULA = (
    "GPU hours = 6 x (12 x layers x width^2) x tokens of an example x examples x epochs / "
    f"{GPU_FLOPS:.1e} operations a second / 3600; 2 in place of 6 for scoring"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What finished stages in a store say.

    Attributes:
        done: ids of the plan's stages that are finished.
        rates: (model, kind) -> examples a second.
        sizes: (model, verb) -> bytes of a stage.
    """

    done: frozenset[str] = frozenset()
    rates: Mapping[tuple[str, str], float]
    sizes: Mapping[tuple[str, str], float]

    @classmethod
    def of(cls, store: Path, done: frozenset[str]) -> Known:
        """Read the records of all stages in a store, whatever study made them."""
        rates: dict[tuple[str, str], list[float]] = {}
        sizes: dict[tuple[str, str], list[float]] = {}
        for path in sorted([*store.glob("*/stage.json"), *store.glob("dropped/*.json")]):
            try:
                record = read_json(path)
                facts, verb = record["facts"], record["verb"]
                model = str(facts.get("model", ""))
                sizes.setdefault((model, verb), []).append(float(record["bytes"]))
                kinds = set(facts.get("kinds", {}).values())
                folder = path.parent if path.stem == "stage" else store / path.stem
                measured = folder / OUTPUT["train"] / "measured.json"
                if verb == "train" and len(kinds) == 1 and measured.is_file():
                    found = [one["examples_per_second"] for one in read_json(measured).values()]
                    rates.setdefault((model, kinds.pop()), []).extend(found)
            except (DataError, KeyError, TypeError, AttributeError, ValueError):
                continue
        return cls(
            done=done,
            rates={key: median(values) for key, values in rates.items() if values},
            sizes={key: median(values) for key, values in sizes.items()},
        )


def estimate(plan: Plan, known: Known) -> dict[str, Any]:
    """Seconds, bytes and GPU hours of what is not done.

    Returns:
        `seconds` of all stages one after the other, `bytes`, `gpu_hours` (None for the compact
        encoder alone), `formula`, `measured` and `tabulated` (how many stages each is from),
        `stages` (id -> seconds).
    """
    left = [stage for stage in plan.stages.values() if stage.id not in known.done]
    seconds, gpu, measured = {}, 0.0, 0
    for stage in left:
        spent, from_store, operations = _seconds(stage, known)
        seconds[stage.id] = round(spent, 1)
        measured += from_store
        gpu += operations / GPU_FLOPS / 3600
    large = any(stage.facts.get("model", COMPACT) != COMPACT for stage in plan.stages.values())
    return {
        "seconds": round(sum(seconds.values()), 1),
        "bytes": round(sum(_bytes(stage, known) for stage in left)),
        "gpu_hours": round(gpu, 1) if large else None,
        "formula": FORMULA if large else None,
        "done": len(plan.stages) - len(left),
        "measured": measured,
        "tabulated": len(left) - measured,
        "stages": seconds,
    }


def _seconds(stage: Stage, known: Known) -> tuple[float, bool, float]:
    """Seconds of one stage, whether they come from the store, and its GPU operations."""
    facts = stage.facts
    model = str(facts.get("model", COMPACT))
    if stage.verb == "world":
        return WORLD_SECONDS[facts["size"]], False, 0.0
    start = START_SECONDS[stage.verb]
    if stage.verb in {"average", "export"}:
        return start + (0.0 if model == COMPACT else _blocks(model) / 1e7), False, 0.0
    if stage.verb == "eval":
        tasks = len(facts["tasks"])
        if model == COMPACT:
            return start + EVAL_SECONDS * tasks, False, 0.0
        operations = 2 * _blocks(model) * sum(_test_tokens(stage, task) for task in facts["tasks"])
        return start + operations / CPU_FLOPS, False, operations
    if facts["phase"] == "pretrain":
        return start + (facts.get("steps") or PRETRAIN_STEPS) / PRETRAIN_RATE, False, 0.0
    total, measured, operations = start, True, 0.0
    for kind, examples in _shown(facts, model).items():
        rate = known.rates.get((model, kind))
        measured &= rate is not None
        cost = 6 * _blocks(model) * TOKENS[kind] * examples
        operations += cost if model != COMPACT else 0.0
        if rate is None:
            rate = RATES[kind] if model == COMPACT else examples * CPU_FLOPS / max(cost, 1.0)
        total += examples / rate if rate else 0.0
    return total, measured, operations


def _test_tokens(stage: Stage, task: str) -> float:
    """Tokens of a target's test sets, by the size of their files where these are there."""
    size = float(stage.facts.get("bytes", {}).get(task) or 0)
    return size / BYTES * READ_AGAIN.get(task, 1.0) if size else TEST_TOKENS


def _shown(facts: Mapping[str, Any], model: str) -> dict[str, float]:
    """How many examples a training shows, by kind: epochs times data, bounded by its steps."""
    epochs = EPOCHS[COMPACT if model == COMPACT else "other"]
    shown: dict[str, float] = {}
    words = [word.partition("=") for word in facts.get("set", ())]
    given = {name.partition(".")[0]: value for name, _, value in words if ".epochs" in name}
    for name, count in facts["examples"].items():
        kind = facts["kinds"][name]
        times = float(given.get(kind) or facts.get("epochs") or epochs.get(kind, 1.0))
        shown[kind] = shown.get(kind, 0.0) + _amount(facts.get("train_examples"), count) * times
    if facts.get("steps"):
        most = int(facts["steps"]) * int(facts.get("batch_size") or ROWS)
        share = min(1.0, most / max(1.0, sum(shown.values())))
        shown = {kind: examples * share for kind, examples in shown.items()}
    return shown


def _amount(given: str | None, count: int) -> float:
    if given is None:
        return count
    if given.endswith("%"):
        return count * float(given[:-1]) / 100
    return min(count, int(given))


def _bytes(stage: Stage, known: Known) -> float:
    model = str(stage.facts.get("model", ""))
    found = known.sizes.get((model, stage.verb))
    if found is not None:
        return found
    if model in {"", COMPACT} or stage.verb in {"eval", "world"}:
        return COMPACT_BYTES[stage.verb]
    copies = {"train": 2, "average": 2, "export": 1}[
        stage.verb
    ]  # phase and encoder, or phase and target
    layers, width, vocabulary = _shape(model)
    return 4.0 * copies * (12 * layers * width**2 + vocabulary * width)


def _blocks(model: str) -> float:
    """Parameters of the blocks: what every token passes through."""
    layers, width, _ = _shape(model)
    return 12.0 * layers * width**2


def _shape(model: str) -> tuple[int, int, int]:
    config = Path(model).expanduser() / "config.json"
    if config.is_file():
        try:
            found = read_json(config)
            names = ("num_hidden_layers", "hidden_size", "vocab_size")
            return tuple(int(found[name]) for name in names)  # type: ignore[return-value]
        except (DataError, KeyError, TypeError, ValueError):
            return OTHER_SHAPE
    return SHAPES.get(Path(model).name, OTHER_SHAPE)
