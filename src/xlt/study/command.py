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
from xlt.core.files import read_json
from xlt.core.show.page import write_page
from xlt.core.show.program import command_line
from xlt.core.show.terminal import note
from xlt.core.tasks.languages import Language, load_languages
from xlt.study.compare import compare, findings, text_table, transfer_rows
from xlt.study.demo import Demo, load_results, run

__all__ = ["demo"]

# What the steps import, by extra (setup.cfg).
EXTRAS = {
    "train": ("torch", "transformers", "safetensors"),
    "export": ("optimum", "onnx"),
    "cpu": ("onnxruntime",),
    "report": ("jinja2",),
}
LIMITS = (
    "The languages are constructed and small; nothing here is a claim about natural languages.",
    "The encoder starts aligned: a closed-form start and translation pairs, which XLM-R did not "
    "have. `--pretrain mlm` runs the unaligned arm.",
    "One run of each arm, and the same bits on one machine only: the difference between the arms "
    "is no finding about the intermediate phase. benchmarks/demo_floors.py runs three seeds and "
    "a control with random weights.",
    "The pipeline is what is shown to transfer; the figures of Phang et al. 2020 are not "
    "reproduced here.",
)


@command(
    "xlt demo",
    "xlt demo --out my-demo --seed 2",
    "xlt demo --pretrain mlm --out unaligned       an encoder that saw no parallel text",
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
    help="Intermediate task of the second arm.",
)  # fmt: skip
@seed_option()
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True,
    help="CPU threads of each of the two arms, which run side by side.",
)  # fmt: skip
@json_option
def demo(
    out: Path,
    size: str,
    pretrain: str,
    pretrain_steps: int | None,
    intermediate: str,
    seed: int,
    threads: int,
    as_json: bool,
) -> None:
    """Run the whole path on the embedded benchmark.

    Writes a synthetic multilingual world, pretrains a compact encoder on it, trains the targets
    with and without an intermediate phase, exports, evaluates all nine tasks in all languages and
    compares. Needs no network, no GPU and no data. Ctrl-C is safe: run it again to continue.
    """
    check_extras()
    wanted = Demo(
        out=out, size=size, seed=seed, pretrain=pretrain, pretrain_steps=pretrain_steps,
        intermediate=intermediate, threads=threads,
    )  # fmt: skip
    seconds = run(wanted)
    results = load_results(out)
    rows = compare(results, read_json(out / "world" / "references.json")["uniform_pick"])
    page = out / "report.html"
    serve = command_line(["serve", str(out / "intermediate")])
    languages = load_languages(out / "world")
    write_page(
        page,
        Path(__file__).parent / "demo.html",
        page_values(wanted, rows, languages, seconds, serve),
    )
    if as_json:
        summary = {
            row.task: {"metric": row.metric, "direct": dict(row.direct),
                       "intermediate": dict(row.intermediate)}
            for row in rows
        }  # fmt: skip
        click.echo(json.dumps(summary, ensure_ascii=False))
    else:
        click.echo(f"\nTest scores, seed {seed}; x = mean of the languages other than English")
        click.echo(text_table(rows, intermediate))
        click.echo("\n" + "\n".join(textwrap.fill(line, 80) for line in findings(rows)))
    note(f"\nreport: {page}\nserve it: {serve}")


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


def page_values(
    wanted: Demo,
    rows: list[Any],
    languages: dict[str, Language],
    seconds: dict[str, float],
    serve: str,
) -> dict[str, Any]:
    """What the template needs."""
    codes = {lang for row in rows for lang in (*row.direct, *row.intermediate)}
    shown = [languages[code] for code in sorted(codes, key=lambda code: (code != "en", code))]
    changes = transfer_rows(rows, {lang.code: lang.family for lang in shown})
    cards = [
        {"value": f"{row.english('direct'):.0f} / {row.others('direct'):.0f}",
         "text": f"{row.task}: en / other languages"}
        for row in rows
        if row.task in {"xnli", "udpos", "panx"}
        and row.english("direct") is not None and row.others("direct") is not None
    ] + [
        {"value": f"{row.others('direct'):.0f}", "text": f"{row.task}: other languages"}
        for row in rows
        if row.task in {"tatoeba", "bucc2018"} and row.others("direct") is not None
    ]  # fmt: skip
    return {
        "settings": wanted.settings(),
        "rows": rows,
        "languages": shown,
        "families": sorted({group for _, group, _, _ in changes}),
        "changes": {(task, group): change for task, group, change, _ in changes},
        "cards": cards,
        "findings": findings(rows),
        "limits": LIMITS,
        "seconds": seconds,
        "longest": max(seconds.values(), default=1.0),
        "serve": serve,
    }
