"""What `xlt eval` can be asked for: one frozen record, whose fields are the flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xlt.core.errors import UsageError

__all__ = ["EvalConfig"]

SPLITS = ("test", "dev")
ENGINES = ("local", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig:
    """The configuration of one evaluation. `make_plan` resolves it once.

    Attributes:
        models: bundles, folders of bundles, runs, checkpoint folders or `hf:ORG/NAME`; ():
            ./xlt-run.
        task: what checkpoints among the models answer, where they do not say.
        data: data root; None: the one that the run was trained on.
        tasks: a comma list, or "all" targets and user tasks that the bundles answer.
        langs: a value of `--langs`.
        split: test or dev.
        precision: fp32, fp16, int8 or int8-vnni; every bundle must have it.
        use: task -> name or folder of the bundle that answers it.
        prompt: of retrieval tasks, `NAME` or `TASK=NAME`, among the bundle's prompts or "none"; ():
            by the rule of `plan.prompts`.
        task_files: YAML files of further tasks.
        batch_tokens: padded tokens in a batch; None: what suits the device. Never changes a score.
        both_directions: Tatoeba also with the foreign sentences as queries.
        cross: also the pairs of a context and a question in two languages (MLQA).
        out: results folder; None: RUN/results, or ./xlt-results without a run.
        submission: where the official submission folder is written; None: nowhere.
        min_score: lowest allowed scores, `TASK=X` or `TASK.LANG=X`, in percent.
        against: results to compare with; several, or a folder of runs, are seeds of one setting.
        max_drop: with `against`, the points by which a language may fall.
        allow_missing: gates hold although languages that they look at have no score.
        device: auto, cpu, cuda[:i].
        threads: CPU threads; None: the cores this process may use.
        force: redo cells that could be kept.
        engine: local, or ray: cells and texts to embed go to the workers of a Ray cluster.
        address: of the cluster, HOST:PORT; None: one of this machine's cores, for this call.
    """

    models: tuple[Path, ...] = ()
    task: str | None = None
    data: Path | None = None
    tasks: str = "all"
    langs: str = "all"
    split: str = "test"
    precision: str = "fp32"
    use: Mapping[str, str] = field(default_factory=dict)
    prompt: tuple[str, ...] = ()
    task_files: tuple[Path, ...] = ()
    batch_tokens: int | None = None
    both_directions: bool = False
    cross: bool = False
    out: Path | None = None
    submission: Path | None = None
    min_score: tuple[str, ...] = ()
    against: tuple[Path, ...] = ()
    max_drop: float | None = None
    allow_missing: bool = False
    device: str = "auto"
    threads: int | None = None
    force: bool = False
    engine: str = "local"
    address: str | None = None

    def check(self) -> None:
        """Report every mistake that can be seen without looking at bundles or data.

        Raises:
            UsageError: names all of them.
        """
        mistakes, hints = [], []
        if self.split not in SPLITS:
            mistakes.append(f"split {self.split!r} is not one of {', '.join(SPLITS)}")
            hints.append("--split test or --split dev")
        if self.submission is not None and self.split != "test":
            mistakes.append(f"--submission needs --split test, not {self.split}")
            hints.append("leave out --split or --submission")
        if self.engine not in ENGINES:
            mistakes.append(f"engine {self.engine!r} is not one of {', '.join(ENGINES)}")
            hints.append("--engine local or --engine ray")
        if self.address is not None and self.engine != "ray":
            mistakes.append("--address names a Ray cluster")
            hints.append("add --engine ray")
        if self.max_drop is not None and not self.against:
            mistakes.append("--max-drop needs --against RES")
            hints.append("name the results to compare with")
        if mistakes:
            raise UsageError.all_of(mistakes, "; ".join(hints))
