"""`xlt demo`: the whole path on the embedded benchmark, and its report."""

from __future__ import annotations

import importlib.util
import json
import textwrap
from pathlib import Path
from typing import Any

import click

from xlt.cli.options import command, json_option, out_option, seed_option
from xlt.core.extras import needs
from xlt.core.show.page import write_page
from xlt.core.show.program import command_line
from xlt.core.show.terminal import note
from xlt.core.tasks.languages import load_languages
from xlt.study.demo.compare import Row, compare, findings, text_table, transfer_rows
from xlt.study.demo.planted import headline, planted_figure, planted_rows, sentence
from xlt.study.demo.run import Demo, Finished, run_demo

__all__ = ["demo"]

# What the steps import, by extra (setup.cfg).
EXTRAS = {
    "train": ("torch", "transformers", "safetensors"),
    "export": ("optimum", "onnx"),
    "cpu": ("onnxruntime",),
    "report": ("jinja2",),
    "study": ("yaml",),
}
LIMITS = (
    "The languages are constructed and small; nothing here is a claim about natural languages.",
    "The encoder starts aligned: a closed-form start and translation pairs, which XLM-R did not "
    "have. `--pretrain mlm` runs the unaligned arm.",
    "The planted effects are large. That they are told apart says that the instrument works, not "
    "that it would find a small effect with three seeds.",
    "One run of each arm goes through all nine tasks, and training gives the same bits on one "
    "machine only: the difference between these arms is no finding.",
    "The figures of Phang et al. 2020 are not reproduced here.",
)
PAGE = Path(__file__).with_name("demo.html")
PLANTED_HEADER = (
    "arm", "its labels", "must", "English, points (95 %)", "p", "as planted",
    "other languages, points (95 %)",
)  # fmt: skip


@command(
    "xlt demo",
    "xlt demo --out my-demo --seed 2",
    "xlt demo --pretrain mlm --out unaligned       an encoder that saw no parallel text",
    "xlt demo --size tiny                          everything once; too small to learn anything",
)
@out_option("xlt-demo", "Folder of the demo; run again to continue.")
@click.option(
    "--size", type=click.Choice(["tiny", "small", "medium"]), default="small", show_default=True,
    help="Size of the world.",
)  # fmt: skip
@click.option(
    "--pretrain", default="svd,mlm,tlm", show_default=True, metavar="PARTS",
    help="Pretraining of the compact encoder: svd, mlm, tlm in a comma list.",
)  # fmt: skip
@click.option("--pretrain-steps", type=click.IntRange(1), help="Pretraining updates.")
@click.option(
    "--intermediate", default="mnli", show_default=True, metavar="TASK",
    help="Intermediate task that goes through all nine tasks beside none.",
)  # fmt: skip
@seed_option()
@click.option("--jobs", type=click.IntRange(1), metavar="N",
              help="Stages side by side.  [default: one a core]")  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True,
    help="CPU threads of each stage.",
)  # fmt: skip
@json_option
def demo(
    out: Path,
    size: str,
    pretrain: str,
    pretrain_steps: int | None,
    intermediate: str,
    seed: int,
    jobs: int | None,
    threads: int,
    as_json: bool,
) -> None:
    """Run a study with a known answer, and the whole path, on the embedded benchmark.

    Writes a synthetic multilingual world, pretrains a compact encoder on it, and runs `demo.yaml`:
    three planted label sets as intermediate tasks, three seeds each, of which one must help and two
    must not; and all nine tasks once through training, export and evaluation, with and without
    an intermediate task. Needs no network, no GPU and no data. Ctrl-C is safe: run it again to
    continue. `xlt study report DIR --out FILE` writes the study's own, longer page.
    """
    check_extras()
    wanted = Demo(
        out=out, size=size, seed=seed, pretrain=pretrain, pretrain_steps=pretrain_steps,
        intermediate=intermediate, jobs=jobs, threads=threads,
    )  # fmt: skip
    found = run_demo(wanted)
    rows = compare(found.results, found.references)
    page = out / "report.html"
    serve = command_line(["serve", str(found.models)])
    write_page(page, PAGE, page_values(wanted, found, rows, serve))
    primary = found.answer.primary
    if as_json:
        summary = {
            "sentence": headline(found.answer),
            "planted": [one.to_json() for one in primary],
            "unlearnt": list(found.unlearnt),
            "tasks": {
                row.task: {"metric": row.metric, "direct": dict(row.direct),
                           "intermediate": dict(row.intermediate)}
                for row in rows
            },
        }  # fmt: skip
        click.echo(json.dumps(summary, ensure_ascii=False))
    else:
        _tell(found, rows, intermediate)
    note(f"\nreport: {page}\nserve it: {serve}")


def _tell(found: Finished, rows: list[Row], intermediate: str) -> None:
    """The answer and the table of tasks, at 80 columns."""
    lines = [*findings(rows), *_same_data(found, intermediate)]
    said = [headline(found.answer), sentence(found.answer), *found.unlearnt]
    click.echo("\n" + "\n".join(textwrap.fill(line, 80) for line in said))
    click.echo("\nAll nine tasks, one run each; x = mean of the languages other than English")
    click.echo(text_table(rows, intermediate))
    click.echo("\n" + "\n".join(textwrap.fill(line, 80) for line in lines))


def _same_data(found: Finished, intermediate: str) -> list[str]:
    """What the intermediate task has in common with a target: no transfer there."""
    cells = found.answer.folder.cells
    tasks = [task for cell in cells if cell.arm == intermediate for task in cell.same_data]
    listed = ", ".join(dict.fromkeys(tasks))
    return (
        [f"{intermediate} holds the training data of {listed}: no transfer there."] if tasks else []
    )


def check_extras() -> None:
    """Look for every package that a step needs, before the first of them runs.

    Raises:
        MissingExtra: one is not installed.
    """
    for extra, packages in EXTRAS.items():
        for package in packages:
            with needs("all", f"the demo needs the extra {extra}"):
                if importlib.util.find_spec(package) is None:
                    raise ModuleNotFoundError(package, name=package)


def page_values(wanted: Demo, found: Finished, rows: list[Row], serve: str) -> dict[str, Any]:
    """What the template needs."""
    languages = load_languages(found.world)
    codes = {lang for row in rows for lang in (*row.direct, *row.intermediate)}
    shown = [languages[code] for code in sorted(codes, key=lambda code: (code != "en", code))]
    changes = transfer_rows(rows, {lang.code: lang.family for lang in shown})
    return {
        "settings": wanted,
        "sentence": headline(found.answer),
        "transfer": sentence(found.answer),
        "first": planted_figure(found.answer),
        "planted_header": PLANTED_HEADER,
        "planted": planted_rows(found.answer),
        "unlearnt": found.unlearnt,
        "pairs": found.pairs,
        "rows": rows,
        "languages": shown,
        "families": sorted({group for _, group, _, _ in changes}),
        "changes": {(task, group): change for task, group, change, _ in changes},
        "findings": [*findings(rows), *_same_data(found, wanted.intermediate)],
        "limits": LIMITS,
        "seconds": found.seconds,
        "longest": max(found.seconds.values(), default=1.0),
        "serve": serve,
    }
