"""`xlt train`: flags to a configuration, the plan or the finished run back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from xlt.cli.options import (
    PATH,
    command,
    data_option,
    device_option,
    force_option,
    json_option,
    need_data,
    seed_option,
    threads_option,
)
from xlt.core.artifacts.runs import Run, recorded_root
from xlt.core.errors import Mistakes, UsageError
from xlt.core.show import terminal as show
from xlt.core.show.program import command_line
from xlt.train import TrainConfig, check_plan, fit
from xlt.train.plan.base import find_base
from xlt.train.plan.check import find_start
from xlt.train.plan.config import COMPACT
from xlt.train.plan.recipe import read_recipe, read_settings, with_flags

__all__ = ["train"]

LISTS = ("pretrain", "target", "joint", "translated", "target_langs")  # comma lists


class NeededWithoutRecipe(click.Option):
    """An option that has to be given unless a recipe, read before it, may hold it."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """As any option; see the class."""
        needed = self.required
        self.required = needed and not isinstance(ctx.params.get("recipe"), str)
        try:
            return super().process_value(ctx, value)
        finally:
            self.required = needed


@command(
    "xlt train --model xlm-roberta-base --data ROOT --intermediate mnli --target all",
    "xlt train --model compact --data ROOT --target udpos,panx,tydiqa",
    "xlt train --model xlt-run --data ROOT --target xnli --train-examples 10% --out few",
    "xlt train --model compact --data ROOT --pretrain mlm --target none --out encoder",
    "xlt train --model DIR --data ROOT --intermediate mnli --train-split mnli=snli_dev.jsonl",
    "xlt train --model DIR --data ROOT --intermediate mnli,squad --mix temperature:2 --with-mlm",
    "xlt train --model DIR --data ROOT --target udpos --joint mnli",
    "xlt train --model DIR --data ROOT --target udpos --target-langs de:10 --data-seed 3",
    "xlt train --model DIR --data ROOT --intermediate mnli --control shuffled --target all",
    "xlt train --config xlm-roberta-large --data ROOT --intermediate mnli --set 1-mnli.lr=8e-6",
)
@click.option(
    "--config",
    "recipe",
    is_eager=True,
    metavar="YAML|NAME",
    help="A recipe: flags in a file, or one of ours by name; typed flags override it.",
)
@click.option(
    "--model",
    cls=NeededWithoutRecipe,
    required=True,
    metavar="HF_ID|DIR|RUN|compact",
    help="Where to start: a hub model, a folder, a finished run, or a new small encoder.",
)
@data_option
@click.option(
    "--out", type=PATH, default="xlt-run", show_default=True, metavar="RUN", help="The run folder."
)
@click.option(
    "--pretrain",
    metavar="LIST|none",
    help="compact only: of svd,mlm,tlm. [default: svd,mlm, and tlm with parallel text]",
)
@click.option("--pretrain-steps", type=int, metavar="N", help="compact only: steps of phase 0.")
@click.option("--vocab-size", type=int, metavar="N", help="compact only: tokens to learn.")
@click.option(
    "--intermediate",
    multiple=True,
    metavar="all|TASK[,TASK]",
    help="Train on this first; a list, or all nine, is one phase; repeat for phases in sequence.",
)
@click.option(
    "--mix",
    default="proportional",
    show_default=True,
    metavar="proportional|cap:N|temperature:T",
    help="How often each task of a phase is drawn.",
)
@click.option("--joint", metavar="LIST", help="Train every target together with these tasks.")
@click.option("--with-mlm", is_flag=True, help="Masked LM on text/ beside intermediate tasks.")
@click.option("--mlm-ratio", type=float, metavar="SHARE", help="Of the steps. [default: 0.2]")
@click.option("--translated", metavar="LANGS", help="Intermediate tasks also in translated/<lang>.")
@click.option(
    "--control",
    metavar="mlm|shuffled|fake|longer",
    help="In place of the intermediate tasks: what their labels add.",
)
@click.option(
    "--forgetting", is_flag=True, help="After each phase, score earlier ones again by their heads."
)
@click.option(
    "--target",
    metavar="all|none|LIST",
    help="Targets to tune. [default: all, or none when a phase is asked for]",
)
@click.option(
    "--target-langs",
    metavar="LANG[:N],...",
    help="Few-shot: tune targets on labelled data of these languages, too.",
)
@click.option(
    "--train-examples",
    metavar="N|P%",
    help="Train on so many examples; smaller sets are part of larger ones.",
)
@click.option("--dev-examples", type=int, metavar="N", help="At most so many of each dev set.")
@click.option("--data-seed", type=int, default=1, help="Of held-out sets and subsets. [default: 1]")
@click.option(
    "--trained-on", metavar="TEXT", help="What the base model learnt from, where no card says it."
)
@click.option(
    "--train-split",
    multiple=True,
    metavar="TASK=FILE",
    help="Train TASK on this file instead (recorded as non-standard).",
)
@click.option("--task-file", type=PATH, multiple=True, metavar="YAML", help="Add tasks.")
@click.option("--epochs", type=float, metavar="X", help="Passes over the data of each phase.")
@click.option("--steps", type=int, metavar="N", help="Upper bound of the steps of every phase.")
@click.option("--lr", type=float, metavar="X", help="Peak learning rate.")
@click.option("--batch-size", type=int, metavar="N", help="Examples per step.")
@click.option("--max-length", type=int, metavar="N", help="Tokens per model input.")
@click.option("--warmup", type=float, metavar="SHARE", help="Share of the steps. [default: 0.1]")
@click.option(
    "--weight-decay", type=float, metavar="X", help="Of AdamW; never on biases and norms."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PHASE.NAME=X",
    help="One hyper-parameter of one phase, target, task or kind: 1-mnli.lr=8e-5.",
)
@click.option(
    "--precision",
    default="fp32",
    show_default=True,
    metavar="fp32|bf16",
    help="bf16 computes in autocast; weights stay fp32.",
)
@click.option("--keep", type=int, metavar="N", help="Last N scored weights, for `xlt average`.")
@click.option("--part-tokens", type=int, metavar="N", help="Tokens at once; more is accumulated.")
@click.option("--gradient-checkpointing", is_flag=True, help="Less memory, a third more time.")
@click.option(
    "--attention",
    default="sdpa",
    show_default=True,
    metavar="sdpa|eager",
    help="How it is computed.",
)
@click.option(
    "--eval-every",
    type=int,
    metavar="N",
    help="Steps between evaluations on English dev. [default: once an epoch]",
)
@click.option(
    "--patience", type=int, metavar="N", help="Stop after N dev evaluations without improvement."
)
@click.option(
    "--save-every",
    type=int,
    metavar="N",
    help="Steps between checkpoints. [default: about one a minute]",
)
@click.option("--tensorboard", type=PATH, metavar="DIR", help="Losses and scores for TensorBoard.")
@click.option(
    "--allow-overlap", is_flag=True, help="Train even where training items occur in a test file."
)
@click.option("--resume", is_flag=True, help="Continue what is there; start when nothing is.")
@force_option
@seed_option()
@threads_option
@device_option
@click.option("--dry-run", is_flag=True, help="Show the plan, write nothing.")
@json_option
@click.pass_context
def train(
    context: click.Context,
    /,
    recipe: str | None,
    settings: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Train on English: phase 0 of a new encoder, intermediate tasks, target tasks."""
    mistakes = Mistakes()
    read: dict[str, Any] = {}
    typed: dict[str, Any] = {}
    parsed: tuple[tuple[str, str, float], ...] = ()
    with mistakes:
        read = read_recipe(recipe) if recipe else {}
    with mistakes:
        parsed = read_settings(settings)
    for name, value in flags.items():
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            with mistakes:
                typed[name] = _value(name, value)
    given = with_flags(read, typed, parsed)
    model = str(given.get("model") or "")
    if not model and not mistakes.found:
        raise UsageError("no model given", "add --model HF_ID, DIR, RUN or compact")
    built_on = _runs(model, given.get("out") if given.get("resume") else None)
    with mistakes:
        given["data"] = need_data(given.get("data") or recorded_root(built_on))
    config = TrainConfig(**{"data": Path(), **given, "model": model})
    if mistakes.found:
        with mistakes:
            config.check()
        with mistakes:
            find_base(config)
        if "data" in given:
            with mistakes:
                find_start(config)
        mistakes.tell()
    if dry_run:
        plan = check_plan(config)
        click.echo(json.dumps(plan.to_json(), indent=1) if as_json else str(plan))
        return
    run = fit(config)
    if int(os.environ.get("RANK", "0")) > 0:
        return  # of several processes the first one speaks
    if as_json:
        click.echo(json.dumps({"path": str(run.path), **run.record}, indent=1, ensure_ascii=False))
    else:
        click.echo(summary(run))


def summary(run: Run) -> str:
    """The run's results: dev scores of every training, its baselines beside them."""
    trained = [entry for entry in run.record["lineage"]["phases"] if not entry.get("inherited")]
    named = [(entry["name"], entry) for entry in trained]
    named += list(run.record["targets"].items())
    rows = []
    for name, entry in _with_others(named):
        scores = entry.get("dev") or {}
        for metric, value in scores.items():
            found = entry["baseline"].items()
            beside = [f"{kind} {s[metric]:.1f}" for kind, s in found if isinstance(s, dict)]
            rows.append([name, metric, f"{value:.1f}", ", ".join(beside) or "-"])
        if not scores:
            loss = entry.get("loss")
            rows.append([name, "loss", "-" if loss is None else f"{loss:.3f}", "-"])
    lines = [show.table(["trained", "English dev", "score", "baselines"], rows)] if rows else []
    following = command_line(["export", str(run.path)])
    return "\n".join([*lines, f"run: {run.path} ({run.status}); next: {following}"])


def _with_others(named: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Every training, and the scores of further tasks in it behind it."""
    for name, entry in named:
        yield name, entry
        more = entry.get("others", {}).items()
        yield from ((f"{name}: {task}", facts) for task, facts in more if facts["dev"])


def _runs(model: str, continued: Path | None) -> list[Path]:
    """Folders whose run would say where the data are: the one to continue, then the base."""
    base = [] if model == COMPACT else [Path(model)]
    return [continued, *base] if continued is not None else base


def _value(name: str, value: Any) -> Any:
    """What a flag's text stands for in the configuration."""
    if name in LISTS:
        return _names(value)
    return _splits(value) if name == "train_split" else value


def _names(text: str | None) -> tuple[str, ...] | None:
    """Names of a comma list; `none` is the empty list."""
    if text is None:
        return None
    return () if text == "none" else tuple(part.strip() for part in text.split(",") if part.strip())


def _splits(texts: tuple[str, ...]) -> tuple[tuple[str, Path], ...]:
    found, mistakes = [], []
    for text in texts:
        task, equals, file = text.partition("=")
        if task and equals and file:
            found.append((task, Path(file)))
        else:
            mistakes.append(f"--train-split {text!r} is not TASK=FILE")
    if mistakes:
        raise UsageError.all_of(mistakes, "as in mnli=snli.jsonl")
    return tuple(found)
