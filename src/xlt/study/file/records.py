"""What a study file says, as frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from xlt.core.files import sha256_json

__all__ = ["EACH", "ENCODER", "Arm", "Estimand", "Evaluation", "Seeds", "Study"]

COMPACT = "compact"  # the model that is made here
TRANSFER = "transfer"  # every language but English that no labelled example was in
EACH = "each"  # first of an estimand's arms: the question is asked of each
ENCODER = "encoder"  # the target that is not tuned: retrieval after the last intermediate phase
Flags = Mapping[str, Any]  # name -> words of a command line: str, True, or a tuple of str


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimand:
    """The one quantity that the study is about; everything else it shows is exploratory.

    Attributes:
        kind: effect (arm minus baseline), effect_difference (of effects, between two groups of
            languages), item_difference (of effects, between items that need inference and the
            others), trend (slope of the effect over an axis) or best_of (best arm per target
            by English dev, against the best of as many baseline seeds by the same rule).
        arms: names of the arms; several: their mean; "each" first: one estimate an arm, of those
            named after it, else of all.
        baseline: name of the arm that is subtracted.
        tasks: that count.
        languages: `transfer` (all but English), or a list as `--langs` takes it.
        between: effect_difference: the two groups of languages.
        over: trend: the axis, or `tasks`, the number of tasks that an arm has before the target.
    """

    kind: str
    arms: tuple[str, ...]
    baseline: str
    tasks: tuple[str, ...]
    languages: str = "transfer"
    between: tuple[str, ...] = ()
    over: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        value = asdict(self)
        value["arm"] = value.pop("arms")
        return {name: list(v) if isinstance(v, tuple) else v for name, v in value.items()}

    @property
    def hash(self) -> str:
        """SHA-256 of its canonical JSON."""
        return sha256_json(self.to_json())


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to train.

    Attributes:
        name: of the arm.
        intermediate: phases in order; a phase with commas trains several tasks together.
        joint: tasks that every target is trained together with, as a comma list.
        control: what stands in for the intermediate tasks.
        phase: flags of the intermediate phases alone.
        target: flags of the target trainings alone.
        targets: that the arm is run for; (): all.
        seeds: that the arm is run with, the first intermediate ones; None: all of the study.
    """

    name: str
    intermediate: tuple[str, ...] = ()
    joint: str | None = None
    control: str | None = None
    phase: Flags = field(default_factory=dict)
    target: Flags = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    seeds: int | None = None

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases that are trainings of their own: none under the control `longer`."""
        return () if self.control == "longer" else self.intermediate

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task that the arm trains on before or beside the target."""
        lists = [*self.intermediate, *([self.joint] if self.joint else [])]
        return tuple(dict.fromkeys(name for group in lists for name in group.split(",")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds:
    """How often everything is repeated.

    Attributes:
        intermediate, target, data: numbers of seeds.
        single: targets that are too dear for that: their first repetition alone is run.
    """

    intermediate: int = 1
    target: int = 1
    data: int = 1
    single: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What is scored.

    Attributes:
        tasks: a comma list, or `all`.
        langs: as `xlt eval --langs`.
        split: test or dev.
        splits: the same for single tasks.
        precision: of the bundles.
        layer: of the encoder; None: the default block.
        pooling: of the encoder; None: the default.
        picks: score the last checkpoint and the target-dev oracle as well, beside the English-dev
            pick that all answers are about.
    """

    tasks: str = "all"
    langs: str = "all"
    split: str = "test"
    splits: Mapping[str, str] = field(default_factory=dict)
    precision: str = "fp32"
    layer: str | None = None
    pooling: str | None = None
    picks: bool = False

    def split_of(self, task: str) -> str:
        """What a task is scored on."""
        return self.splits.get(task, self.split)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A whole study at one scale.

    Attributes:
        name: of the study.
        scale: of the scales in the file.
        question: in words.
        estimand: the primary one.
        base: flags of all trainings.
        tuned: further flags of all target trainings.
        arms: in the file's order.
        axes: further axes: flag -> values (None: not given), or a name -> names of settings.
        settings: of an axis that is no flag: name -> flags of the target trainings.
        targets: tasks, or `encoder`.
        heads: targets without training data of their own -> the task whose head answers them.
        seeds: numbers of seeds.
        evaluation: what is scored.
        world: size and seed of the embedded benchmark to build; None: a data root is needed.
    """

    name: str
    scale: str
    question: str
    estimand: Estimand
    base: Flags
    arms: tuple[Arm, ...]
    axes: Mapping[str, tuple[Any, ...]]
    targets: tuple[str, ...]
    seeds: Seeds
    evaluation: Evaluation
    tuned: Flags = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Flags]] = field(default_factory=dict)
    heads: Mapping[str, str] = field(default_factory=dict)
    world: tuple[str, int] | None = None

    @property
    def candidates(self) -> tuple[str, ...]:
        """The arms that the estimand is about, `each` written out."""
        named = tuple(name for name in self.estimand.arms if name != EACH)
        others = (arm.name for arm in self.arms if arm.name != self.estimand.baseline)
        return named or tuple(others)

    def flags_at(self, axes: Mapping[str, Any]) -> dict[str, Any]:
        """The flags that a point of the axes stands for."""
        found: dict[str, Any] = {}
        for name, value in axes.items():
            found |= self.settings[name][value] if name in self.settings else {name: value}
        return found

    def to_json(self) -> dict[str, Any]:
        """Everything that decides the cells, as JSON values."""
        value = {**asdict(self), "estimand": self.estimand.to_json()}
        # as they were before these came, where they are not used
        later = [*((arm, name) for arm in value["arms"] for name in ("targets", "seeds"))]
        for part, name in (*later, (value["evaluation"], "splits")):
            if not part[name]:
                del part[name]
        return value
