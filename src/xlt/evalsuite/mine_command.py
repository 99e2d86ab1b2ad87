"""The verb `xlt mine`: two text files in, translation pairs out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from xlt.cli.options import (
    PATH,
    command,
    device_option,
    force_option,
    json_option,
    threads_option,
)
from xlt.core.artifacts.bundle import PRECISIONS

__all__ = ["mine"]


@command(
    "xlt mine --model RUN de.txt en.txt.gz --out pairs.tsv",
    "xlt mine --model BUNDLE de.txt en.txt --labelled sample.tsv --out pairs.tsv.gz",
    "xlt mine --model BUNDLE de.txt en.txt --index ivf --out pairs.tsv",
)
@click.argument("source", type=PATH, metavar="SRC")
@click.argument("target", type=PATH, metavar="TGT")
@click.option("--model", type=PATH, help="Bundle, folder of bundles or run [default: ./xlt-run].")
@click.option("--out", type=PATH, required=True, metavar="FILE", help="TSV of pairs; .gz packs it.")
@click.option(
    "--margin", default="ratio", show_default=True,
    type=click.Choice(["ratio", "distance", "absolute"]),
    help="Similarity over, or minus, the mean to the neighbours; or as it is.",
)  # fmt: skip
@click.option("-k", "k", default=4, show_default=True, type=click.IntRange(1), metavar="N",
              help="Neighbours a text.")  # fmt: skip
@click.option("--threshold", type=float, metavar="T", help="Keep pairs that score T or more.")
@click.option(
    "--labelled", type=PATH, metavar="TSV",
    help="Choose the threshold on a sample: line of SRC, tab, line of TGT or - for none.",
)  # fmt: skip
@click.option(
    "--index", default="flat", show_default=True, type=click.Choice(["flat", "ivf", "hnsw"]),
    help="Exact search, or FAISS; its recall on a sample is told.",
)  # fmt: skip
@click.option("--prompt", metavar="NAME", help="A prompt of the bundle, put before every text.")
@click.option(
    "--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True,
    help="Which variant of the bundle to use.",
)  # fmt: skip
@click.option("--batch-tokens", type=click.IntRange(1), metavar="N",
              help="Padded tokens a batch [default: by device].")  # fmt: skip
@click.option("--keep-work", is_flag=True, help="Leave the vectors beside --out for another call.")
@device_option
@threads_option
@json_option
@force_option
def mine(
    model: Path | None,
    prompt: str | None,
    precision: str,
    batch_tokens: int | None,
    device: str,
    threads: int | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Find the lines of two files that translate each other.

    SRC and TGT hold one text a line, plain or gzip, millions of them. Vectors are kept in
    FILE.work until the pairs are written: the same command goes on after any stop.
    """
    from xlt.core.errors import UsageError, did_you_mean
    from xlt.core.inference.session import usable_cores
    from xlt.core.show.terminal import note
    from xlt.evalsuite.embedder import find_embedder, open_embedder, prompts_of
    from xlt.evalsuite.mine.mining import MineConfig, mine_files

    config = MineConfig(threads=threads or usable_cores(), **settings)
    config.check()
    bundle = find_embedder(model, precision=precision)
    known = prompts_of(bundle)
    if prompt is not None and prompt not in known:
        raise UsageError(
            f"--prompt {prompt}: {bundle.name} has "
            + (f"{', '.join(known)}{did_you_mean(prompt, known)}" if known else "no prompts"),
            "leave it out, or name one that the bundle has",
        )
    text = bundle.default_prompt if prompt is None else known[prompt]
    engine = open_embedder(bundle, device=device, threads=threads, batch_tokens=batch_tokens)
    mined = mine_files(
        MineConfig(threads=threads or usable_cores(), prompt=text, **settings),
        lambda texts, tick: engine.embed(texts, prompt=text, tick=tick),
        bundle.key,
    )
    click.echo(json.dumps(mined.record, indent=1, ensure_ascii=False) if as_json
               else _summary(mined.record))  # fmt: skip
    if mined.kept is not None:
        note(f"vectors: {mined.kept}")


def _summary(record: dict[str, Any]) -> str:
    lines = [
        f"{side}: {told['lines']} lines, {told['texts']} distinct texts, {told['blank']} blank"
        for side, told in (("source", record["source"]), ("target", record["target"]))
    ]
    cut = "above 0" if record["threshold"] is None else f"{record['threshold']:.4f} or more"
    lines.append(f"score: {record['margin']} margin over {record['k']} neighbours, {cut}")
    if "on_sample" in record:
        on = record["on_sample"]
        lines.append(
            f"on the sample: F1 {on['f1']:.1f}, precision {on['precision']:.1f}, "
            f"recall {on['recall']:.1f}"
        )
    if "recall" in record:
        lines.append(
            f"index {record['index']}: finds {record['recall']:.1f} % of the exact neighbours "
            f"of {record['recall_sample']} texts"
        )
    lines.append(f"pairs: {record['pairs']}, as {record['rows']} pairs of lines")
    return "\n".join(lines)
