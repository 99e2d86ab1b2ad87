"""Does the trainer do what its flags say? Every way of training, on the embedded world.

    python benchmarks/trainer_world.py [--size tiny|small] [--only TEXT] [--out build/trainer-world]

Each setting is trained whole; then again by processes that are killed (SIGKILL) in the middle of
every phase and of the target, each going on where the last one ended, and to the end at last. All
weights, the log and the record must have the same bits. What a setting is named for is checked on
the record, the log and the data that were read. Prints a table; exit 1 when a line fails. No score
is looked at: what transfers is no matter of this script.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")

import torch
from safetensors.torch import load_file

import xlt.core.show.terminal as terminal
import xlt.train.loop.loop as loop
from xlt.train import TrainConfig, fit
from xlt.train.plan.plan import make_plan
from xlt.world import write_world

BATCH, EPOCHS, LONGEST = 16, 1.0, 64
NINE = "anli+,mnli,qqp,squad,squad2,hellaswag,cosmosqa,csqa,ccg"
SETTINGS = {
    "direct": {},
    "one task": {"intermediate": ("mnli",)},
    "three in sequence": {"intermediate": ("mnli", "squad", "hellaswag")},
    "all nine in one phase": {"intermediate": (NINE,)},
    "joint with the target": {"joint": ("mnli",)},
    "with masked LM": {"intermediate": ("mnli",), "with_mlm": True, "mlm_ratio": 0.25},
    "translated": {"intermediate": ("mnli",), "translated": ("qaa", "qca")},
    "1 % of the target": {"train_examples": "1%"},
    "10 % of the target": {"train_examples": "10%"},
    "100 % of the target": {"train_examples": "100%"},
    "control mlm": {"intermediate": ("mnli",), "control": "mlm"},
    "control shuffled": {"intermediate": ("mnli",), "control": "shuffled"},
    "control fake": {"intermediate": ("mnli",), "control": "fake"},
    "control longer": {"intermediate": ("mnli",), "control": "longer"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A finished run: its record, its plan, and the plan of the same run without the setting."""

    record: dict
    plan: object
    usual: object
    log: list

    @property
    def phases(self):
        return own_phases(self.record)

    @property
    def target(self):
        return self.record["targets"][TARGET]


TARGET = "pawsx"


def own_phases(record):
    """Those of the run itself, without what its base has learnt before."""
    return [one for one in record["lineage"]["phases"] if not one["name"].startswith("0-")]


def direct(run):
    assert run.phases == []
    return "no phase"


def one_task(run):
    (phase,) = run.phases
    assert phase["tasks"] == ["mnli"] and "others" not in phase
    return "one phase, an epoch of updates"


def in_sequence(run):
    assert [phase["name"] for phase in run.phases] == ["1-mnli", "2-squad", "3-hellaswag"]
    order = list(dict.fromkeys(line["phase"] for line in run.log))
    assert order == ["1-mnli", "2-squad", "3-hellaswag", TARGET]
    return "phases in this order in the log"


def all_nine(run):
    (phase,) = run.phases
    assert set(phase["tasks"]) == set(NINE.split(",")) == set(phase["draws"])
    assert phase["steps"] == round(EPOCHS * sum(phase["draws"].values()))
    assert len(phase["others"]) == 8
    return "updates by task: " + ", ".join(f"{k} {v}" for k, v in phase["draws"].items())


def joint(run):
    assert run.phases == [] and set(run.target["others"]) == {"mnli"}
    assert set(run.target["draws"]) == {TARGET, "mnli"}
    return "updates by task: " + ", ".join(f"{k} {v}" for k, v in run.target["draws"].items())


def with_mlm(run):
    (phase,) = run.phases
    share = phase["draws"]["mlm"] / sum(phase["draws"].values())
    assert abs(share - 0.25) < 0.02
    return f"masked LM in {100 * share:.0f} % of the updates"


def translated(run):
    (phase,), (part,) = run.phases, run.plan.intermediate[0].parts
    sizes = {train.lang: len(train.examples) for train in part.trains}
    assert set(sizes) == {"en", "qaa", "qca"}
    assert phase["examples"] == sum(sizes.values()) > run.usual.intermediate[0].parts[0].size
    return "examples: " + ", ".join(f"{lang} {n}" for lang, n in sizes.items())


def share(run):
    (mine,), (whole,) = ((p.targets[0].parts) for p in (run.plan, run.usual))
    percent = int(run.record["config"]["train_examples"].rstrip("%"))
    assert run.target["examples"] == mine.size == max(1, round(whole.size * percent / 100))
    held = [one.id for one in mine.examples]
    larger = min(100, percent * 10)
    assert set(held) <= set(first_of(run, larger)), "not inside the larger one"
    return f"{mine.size} of {whole.size} examples, all of them in the {larger} %"


def first_of(run, percent):
    config = {**run.record["config"], "train_examples": f"{percent}%"}
    return [one.id for one in planned(config).targets[0].parts[0].examples]


def inputs_of(plan):
    """The texts of its first phase."""
    (part,) = plan.intermediate[0].parts
    return {text for one in part.examples for text in (one.text_a, one.text_b)}


def control_mlm(run):
    (phase,) = run.phases
    assert phase["tasks"] == ["mlm"] and phase["control"] == "mlm"
    (part,) = run.plan.intermediate[0].parts
    inputs = inputs_of(run.usual)
    assert {one.text for one in part.examples} <= inputs and not part.selects
    return "texts of the task alone, no labels, no dev set"


def control_shuffled(run):
    (part,), (usual,) = run.plan.intermediate[0].parts, run.usual.intermediate[0].parts
    pairs = [(one.text_a, one.text_b) for one in part.examples]
    assert pairs == [(one.text_a, one.text_b) for one in usual.examples]
    mine, true = ([one.label for one in side.examples] for side in (part, usual))
    assert Counter(mine) == Counter(true) and part.dev is None
    same = sum(a == b for a, b in zip(mine, true, strict=True)) / len(mine)
    assert same < 0.5
    return f"same pairs, same labels; {100 * same:.0f} % are where they were"


def control_fake(run):
    (phase,), (part,) = run.phases, run.plan.intermediate[0].parts
    labels = Counter(one.label for one in (*part.examples, *part.dev.examples))
    assert phase["tasks"] == ["real-or-fake"] and abs(labels["fake"] - labels["real"]) <= 1
    inputs = {
        t for one in run.usual.intermediate[0].parts[0].examples for t in (one.text_a, one.text_b)
    }
    real = [one for one in part.examples if one.label == "real"]
    assert all(one.text_a in inputs for one in real)
    return f"{labels['real']} real texts of the task, {labels['fake']} made up"


def control_longer(run):
    assert run.phases == []
    updates = sum(phase.steps for phase in run.usual.intermediate)
    own = run.usual.targets[0].steps
    assert run.target["longer"] == updates, f"{run.target['longer']}, not {updates}"
    assert run.target["steps"] == own + updates, f"{run.target['steps']}, not {own} + {updates}"
    return f"{own} updates of its own and {updates} of the phase"


CHECKS = dict(zip(SETTINGS, (
    direct, one_task, in_sequence, all_nine, joint, with_mlm, translated, share, share, share,
    control_mlm, control_shuffled, control_fake, control_longer,
), strict=True))  # fmt: skip


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", choices=["tiny", "small"], default="tiny")
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path, default=Path("build/trainer-world"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    terminal.QUIET = True
    out = args.out / args.size
    shutil.rmtree(out, ignore_errors=True)
    write_world(out / "data", size=args.size, seed=1)
    base = TrainConfig(
        model="compact", data=out / "data", out=out / "base", pretrain=("svd", "mlm"),
        pretrain_steps=40, vocab_size=600, target=(), threads=1,
    )  # fmt: skip
    fit(base)
    print("| setting | updates: phases, target | killed at | same bits | what was seen |")
    print("|---|---|---|---|---|")
    failed = [name for name in SETTINGS if args.only in name and not shown(name, out, out / "base")]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def shown(name, out, base):
    """Print a setting's line; whether all is as it should be."""
    folder = out / name.replace(" ", "-").replace("%", "percent")
    given = dict(
        model=str(base), data=out / "data", target=(TARGET,), threads=1, save_every=2,
        epochs=EPOCHS, batch_size=BATCH, max_length=LONGEST, **SETTINGS[name],
    )  # fmt: skip
    whole = fit(TrainConfig(out=folder / "whole", **given))
    killed, config = [], TrainConfig(out=folder / "run", resume=True, **given)
    steps = {phase["name"]: phase["steps"] for phase in own_phases(whole.record)}
    steps[TARGET] = whole.record["targets"][TARGET]["steps"]
    for phase in steps:
        step = steps[phase] // 2
        if dies(config, phase, step):
            killed.append(f"{phase} {step + 1}")
    fit(config)
    same = same_bits(folder / "whole", folder / "run")
    ways = {**whole.record["config"]}
    usual = {**ways, "control": None, "translated": [], "train_examples": None}
    log = [json.loads(line) for line in (folder / "whole/log.jsonl").read_text().splitlines()]
    seen = Seen(record=whole.record, plan=planned(ways), usual=planned(usual), log=log)
    try:
        last = {line["phase"]: line["step"] for line in log if "loss" in line}
        assert last == steps, f"the log ends at {last}"
        told = CHECKS[name](seen)
    except AssertionError as error:
        told, same = f"NOT SO: {error}", False
    updates = ", ".join(f"{phase} {count}" for phase, count in steps.items())
    print(f"| {name} | {updates} | {', '.join(killed)} | {'yes' if same else 'NO'} | {told} |")
    sys.stdout.flush()
    return same and bool(killed)


def planned(config):
    """The plan of a run's recorded configuration; nothing is written."""
    names = TrainConfig.__dataclass_fields__
    given = {name: value for name, value in config.items() if name in names}
    given |= {name: tuple(v) for name, v in given.items() if isinstance(v, list)}
    return make_plan(TrainConfig(**{**given, "data": Path(given["data"]), "out": Path("none")}))


def dies(config, phase, step):
    """Train in a process of its own that is killed in a step; whether it was."""
    child = os.fork()
    if child == 0:
        true = loop._step

        def step_or_die(job, optimizer, at, state):
            if job.name == phase and at.step == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return true(job, optimizer, at, state)

        loop._step = step_or_die
        fit(config)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def same_bits(one, other):
    """Whether two runs have the same weights, log and record."""
    files = sorted(path.relative_to(one) for path in one.rglob("model.safetensors"))
    if files != sorted(path.relative_to(other) for path in other.rglob("model.safetensors")):
        return False
    for file in files:
        a, b = load_file(one / file), load_file(other / file)
        if a.keys() != b.keys() or not all(torch.equal(a[name], b[name]) for name in a):
            return False
    records = [json.loads((run / "run.json").read_text()) for run in (one, other)]
    log = [(run / "log.jsonl").read_bytes() for run in (one, other)]
    return log[0] == log[1] and all(
        records[0][part] == records[1][part] for part in ("lineage", "targets")
    )


if __name__ == "__main__":
    main()
