"""`xlt export`: flags in, one call of `xlt.export.export`, a table or JSON out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from xlt.cli.options import (
    command,
    data_option,
    device_option,
    force_option,
    json_option,
    out_option,
    threads_option,
)
from xlt.core.show.terminal import table
from xlt.export.config import ExportConfig
from xlt.export.exporting import Exported
from xlt.export.exporting import export as run_export

__all__ = ["export"]


@command(
    "xlt export                                   every model of ./xlt-run, to xlt-run/bundles/",
    "xlt export RUN --task udpos --out bundles    one of them, to bundles/udpos/",
    "xlt export xlm-roberta-base --out encoder    a sentence encoder: block 8, mean pooling",
    "xlt export DIR --task xquad --out qa --data ROOT",
)
@click.argument("model", required=False, metavar="[RUN|CHECKPOINT|HF_ID]")
@out_option(text="Output: of a run, the folder of its bundles; of a checkpoint, the bundle.")
@click.option("--task", metavar="T", help="What a checkpoint answers; of a run, the one to export.")
@click.option(
    "--precision",
    default="fp32",
    show_default=True,
    metavar="LIST",
    help="Variants to write: fp32, fp16, int8, int8-vnni.",
)
@click.option(
    "--layer", metavar="K|last",
    help="Encoders: last block kept, as in hidden_states[K] [default: 14 of 24, 8 of 12, else "
    "last].",
)  # fmt: skip
@click.option(
    "--pooling", metavar="mean|cls|last", help="Encoders: tokens to one vector [default: mean]."
)
@click.option(
    "--dimensions", metavar="LIST",
    help="Encoders trained for it (Matryoshka): widths that vectors may be cut to, as 64,128.",
)  # fmt: skip
@click.option(
    "--examples", type=click.IntRange(0), metavar="N",
    help="Dev items to carry for the playground, in the bundle for all to read [default: a few "
    "where all languages are constructed, else none].",
)  # fmt: skip
@click.option(
    "--prompt", metavar="NAME|TEXT",
    help="Encoders: the prompt that eval and serve put before every text, one of the model's or "
    "as 'query: ' [default: the model's].",
)  # fmt: skip
@click.option(
    "--post", type=click.Choice(["center"]),
    help="Encoders: take the mean vector of the data root's train and dev text away.",
)  # fmt: skip
@click.option(
    "--sweep-layers", is_flag=True,
    help="Encoders: choose the block on BUCC dev and parallel text of the data root; labelled so.",
)  # fmt: skip
@click.option(
    "--trained-on", metavar="TEXT",
    help="What a foreign model was trained on [default: the data sets of its card].",
)  # fmt: skip
@click.option(
    "--allow-pickle", is_flag=True, help="Load weights from a pickle, which can run code."
)
@data_option
@force_option
@json_option
@click.option("--dry-run", is_flag=True, help="Show what would be written; write nothing.")
@device_option
@threads_option
def export(model: str | None, as_json: bool, **flags: Any) -> None:
    """Turn trained models into ONNX bundles, checked against PyTorch.

    No model named: ./xlt-run. A bundle is made only when ONNX Runtime gives PyTorch's answers on
    text in 14 scripts (and on dev text of --data): otherwise exit 5, and NAME.failed is kept.
    """
    done = run_export(ExportConfig(model=model, **flags))
    if as_json:
        click.echo(json.dumps([item.to_json() for item in done], indent=1, ensure_ascii=False))
    else:
        click.echo(_table(done))


def _table(done: Sequence[Exported]) -> str:
    header = ["bundle", "kind", "answers", "block", "pooling", "largest diff.", "status", "folder"]
    rows = []
    for item in done:
        job = item.job
        block = "-" if job.layer is None else f"{job.layer}/{job.checkpoint.depth}"
        record = item.parity.get("fp32")
        difference = f"{record['max_difference']:.1e}" if record else "-"
        answers = ",".join(job.answers)
        rows.append(
            [item.name, job.task.kind, answers, block, job.pooling or "-", difference, item.status,
             str(item.path)]
        )  # fmt: skip
    return table(header, rows)
