"""What `xlt export` can be asked for: one frozen record, checked as a whole before any work."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from xlt.core.artifacts.bundle import PRECISIONS
from xlt.core.errors import UsageError
from xlt.core.inference.device import parse_device

__all__ = ["PRECISIONS", "ExportConfig", "ExportFlags"]

POOLINGS = ("mean", "cls", "last")
POSTS = ("center",)


class ExportFlags(TypedDict, total=False):
    """The fields of `ExportConfig` but for the model, as keywords of `xlt.export.export`."""

    out: Path | None
    task: str | None
    precision: str
    layer: str | int | None
    pooling: str | None
    dimensions: str | Sequence[int] | None
    data: Path | None
    force: bool
    dry_run: bool
    device: str
    threads: int | None
    examples: int | None
    prompt: str | None
    trained_on: str | None
    allow_pickle: bool
    post: str | None
    sweep_layers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """The configuration of one export; the fields are the flags.

    Attributes:
        model: run, folder or hub id; None for `./xlt-run`.
        out: output folder; a checkpoint needs one.
        task: what a checkpoint answers, where it does not say; of a run, the one to export.
        precision: comma list of variants: fp32, fp16 (for GPUs), int8 (exact on every CPU),
            int8-vnni (closer to fp32, for CPUs with VNNI).
        layer: encoders: the K of hidden_states[K], 1..depth, or `last`. Default: 14 of 24 blocks,
            8 of 12 (XTREME), else the last; sentence-embedding models: the last.
        pooling: encoders: mean (default), cls or last; sentence-embedding models: their own.
        dimensions: encoders trained for it (Matryoshka): widths that their vectors may be cut to,
            numbers or a comma list; recorded for `xlt serve`, the graph is the same.
        data: data root whose dev text joins the parity gate; default, the run's.
        force: write again, and replace what is there.
        dry_run: say what would be done and do nothing.
        device: where the gate computes: auto and cpu are the CPU, whose fp32 is exact; cuda[:i].
        threads: CPU threads; None: the cores this process may use.
        examples: dev items that the bundle carries for the playground; None: a few where all
            languages are constructed, else none.
        prompt: encoders: what eval and serve put before every text: the name of one of the
            model's prompts, or a text such as `query: `. Default: the model's own default.
        trained_on: what a foreign model was trained on, in words; default, what its card says.
        post: encoders: `center` takes the mean vector of the data root's train and dev text away.
        sweep_layers: encoders: choose the block on dev and parallel text of the data root.
        allow_pickle: load weights that are only there as a pickle, which can run code.
    """

    model: str | Path | None = None
    out: Path | None = None
    task: str | None = None
    precision: str = "fp32"
    layer: str | int | None = None
    pooling: str | None = None
    dimensions: str | Sequence[int] | None = None
    data: Path | None = None
    force: bool = False
    dry_run: bool = False
    device: str = "auto"
    threads: int | None = None
    examples: int | None = None
    prompt: str | None = None
    trained_on: str | None = None
    allow_pickle: bool = False
    post: str | None = None
    sweep_layers: bool = False

    @property
    def precisions(self) -> tuple[str, ...]:
        """The names of `precision`, each once."""
        return tuple(dict.fromkeys(part.strip() for part in self.precision.split(",")))

    @property
    def widths(self) -> tuple[int, ...]:
        """The numbers of `dimensions`, ascending."""
        return tuple(sorted(int(text) for text in self._listed()))

    @property
    def encoder_only(self) -> list[str]:
        """The given flags that act on encoders and on nothing else."""
        names = ("layer", "pooling", "dimensions", "prompt", "post", "sweep_layers")
        given = [name for name in names if getattr(self, name) not in (None, (), [], False)]
        return [f"--{name.replace('_', '-')}" for name in given]

    def check(self) -> None:
        """Report every mistake that can be seen without looking at the model.

        Raises:
            UsageError: names all of them.
        """
        mistakes = [
            f"--precision {name}: one of {', '.join(PRECISIONS)}"
            for name in self.precisions
            if name not in PRECISIONS
        ]
        layer = None if self.layer is None else str(self.layer)
        if layer is not None and layer != "last" and not re.fullmatch(r"-?\d+", layer):
            mistakes.append(f"--layer {layer}: a block number or `last`")
        if self.pooling is not None and self.pooling not in POOLINGS:
            mistakes.append(f"--pooling {self.pooling}: one of {', '.join(POOLINGS)}")
        if self.post not in (None, *POSTS):
            mistakes.append(f"--post {self.post}: {', '.join(POSTS)}")
        if self.sweep_layers and self.layer is not None:
            mistakes.append(f"--layer {self.layer} and --sweep-layers: one of them chooses")
        mistakes += self._wrong_widths()
        try:
            parse_device(self.device)
        except UsageError as error:
            mistakes.append(f"{error.message} ({error.hint})")
        if self.threads is not None and self.threads < 1:
            mistakes.append(f"--threads {self.threads} must be at least 1")
        if self.examples is not None and self.examples < 0:
            mistakes.append(f"--examples {self.examples} must be 0 or more")
        if mistakes:
            alone = len(mistakes) == 1 and mistakes[0].startswith("--precision")
            hint = f"use --precision {PRECISIONS[0]}" if alone else "xlt export --help"
            raise UsageError.all_of(mistakes, hint)

    def _listed(self) -> list[str]:
        given = () if self.dimensions is None else self.dimensions
        listed = given.split(",") if isinstance(given, str) else map(str, given)
        return [text.strip() for text in listed]

    def _wrong_widths(self) -> list[str]:
        mistakes = []
        seen: set[int] = set()
        for text in self._listed():
            if not re.fullmatch(r"0*[1-9]\d{0,8}", text, re.ASCII):
                mistakes.append(f"--dimensions {text!r}: a number above 0, or several with commas")
            elif int(text) in seen:
                mistakes.append(f"--dimensions: {text} is given twice")
            else:
                seen.add(int(text))
        return mistakes
