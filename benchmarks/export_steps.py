"""What each step of the int8 recipe buys: speed, closeness to fp32, nearest neighbours kept.

    python benchmarks/export_steps.py BUNDLE [--data DATA] [--out OUT] [--only NAME,NAME]

BUNDLE is an exported sentence encoder with its fp32 graph; the graphs of all steps are made of
it, calibrated as `xlt export --data` does. Ratios are of CPU seconds of one thread, the best of
interleaved rounds. Then, for `int8`: text of other domains, and how often it is cut off there.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from speed import (
    HIDDEN,
    ROOT,
    batches_of,
    embed,
    english,
    heading,
    interleaved,
    kept,
    lengths,
    rows_of,
    session_run,
    table,
    windows,
)

from xlt.core.artifacts.bundle import Bundle
from xlt.core.encode.encoder import Encoder
from xlt.core.inference.session import Session
from xlt.data import DataRoot
from xlt.export.gate.parity import make_batches
from xlt.export.gate.probe import gate_text
from xlt.export.graph.int8.calibrate import Seen
from xlt.export.graph.int8.quantize import calibrate, quantize
from xlt.export.graph.int8.recipe import SITES, Recipe
from xlt.export.variants.texts import calibration_feeds

ROWS, STATIC = dict.fromkeys(SITES, "row"), dict.fromkeys(SITES, "static")
HYBRID = {**STATIC, "outer": "row"}
ROW_OUTPUT = {**HYBRID, "output": "row"}
PLAIN: dict[str, Any] = {"nearest": True, "even_outer": False}
INT8, VNNI = "int8: errors of rounding made up for", "int8-vnni: the same within +-127"


def steps(blocks: int) -> dict[str, dict[str, Any]]:
    """Name of a step -> the choices of its recipe."""
    ends = {(block, site): "fp32" for block in (0, blocks - 1) for site in SITES}
    outer = {(block, "outer"): "fp32" for block in range(blocks)}
    return {
        "one scale a row everywhere": {**PLAIN, "low_zero_points": False, "modes": ROWS},
        "static but after the activation": {**PLAIN, "low_zero_points": False, "modes": HYBRID},
        "+ a zero point of its own there": {**PLAIN, "modes": HYBRID},
        "+ one scale a row after attention": {**PLAIN, "modes": ROW_OUTPUT},
        "+ its columns evened out as well": {"nearest": True, "modes": ROW_OUTPUT},
        INT8: {"modes": ROW_OUTPUT},
        VNNI: {"modes": ROW_OUTPUT, "limit": 127},
        "int8, static after attention": {"modes": HYBRID},
        "int8, static after attention, columns as they are": {"modes": HYBRID, "even_outer": False},
        "int8, columns as they are": {"modes": ROW_OUTPUT, "even_outer": False},
        "int8-vnni, columns as they are": {"modes": ROW_OUTPUT, "even_outer": False, "limit": 127},
        "int8, static everywhere": {"modes": STATIC},
        "int8, word embedding in fp32": {"modes": ROW_OUTPUT, "embeddings": False},
        "int8, first and last block in fp32": {"modes": ROW_OUTPUT, "special": ends},
        "int8, last layer of blocks in fp32": {"modes": ROW_OUTPUT, "special": outer},
        "int8-vnni, last layer in fp32": {"modes": ROW_OUTPUT, "special": outer, "limit": 127},
    }


def seen_of(bundle: Bundle, data: Path | None) -> dict[str, Seen]:
    """The calibration of an export; without data, on our own texts alone."""
    root = None if data is None else DataRoot(data)
    encoder = Encoder.load(bundle.path, max_length=bundle.max_length)
    probes, _, _ = gate_text(bundle.task, bundle.answers, bundle.max_length, root)
    batches = make_batches(encoder, bundle.task.kind, probes)
    return calibrate(bundle.onnx_path, calibration_feeds(batches, bundle.task, encoder, root))


def fused(path: Path) -> Any:
    """A session that fuses sum and norm, as ONNX Runtime does by itself."""
    return Session(path, device="cpu", threads=1)


def domains(graph: Path, exact: Any, texts: Mapping[str, list[str]], bundle: Path) -> str:
    """Cosines and cut-off numbers of texts from several places."""
    model = onnx.load(str(graph))
    scales = [n for n in model.graph.node if n.op_type == "QuantizeLinear" and not n.attribute]
    names = [node.output[0] for node in scales]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    watched = graph.with_name("watched.onnx")
    onnx.save(model, str(watched))
    session = Session(watched, device="cpu", threads=1, int8=True)
    watched.unlink()
    pad_id = Encoder.load(bundle).pad_id
    lines = []
    for name, some in texts.items():
        rows = rows_of(bundle, some)
        cut = count = 0
        vectors: list[Any] = [None] * len(rows)
        for places, feeds in batches_of(rows, pad_id, 512):
            hidden_BLD, *bytes_ = session.run(feeds, [HIDDEN, *names])
            real = feeds["attention_mask"].T.reshape(-1) == 1  # rows stand sequence-major
            for one in bytes_:
                cut += int(((one[real] == 0) | (one[real] == 255)).sum())
                count += one[real].size
            for row, place in enumerate(places):
                vector = hidden_BLD[row, : rows[place].width].mean(axis=0, dtype=np.float64)
                vectors[place] = vector / np.linalg.norm(vector)
        got = np.stack(vectors)
        true, _ = embed(exact, rows, pad_id, 512)
        cosine = (true * got).sum(axis=1)
        lines.append(
            [name, lengths(rows), f"{cosine.mean():.5f} / {cosine.min():.4f}",
             f"{1e6 * cut / max(1, count):.0f}"]
        )  # fmt: skip
    return table(["text", "", "cosine mean / min", "at the end of the byte, of a million"], lines)


def texts_of(data: Path) -> dict[str, list[str]]:
    """Texts of several domains: none of them calibrates anything."""
    chat = [
        line
        for lang in ("ara", "deu", "cmn", "tel", "rus")
        for line in (data / f"tatoeba/tatoeba.{lang}-eng.{lang}")
        .read_text("utf-8")
        .splitlines()[:60]
    ]
    found = DataRoot(data)
    tagged = []
    for lang in ("en", "de", "zh", "ar", "fi"):
        examples = found.read(_task("udpos"), lang, "test").examples[:60]
        tagged += [" ".join(one.words) for one in examples]  # type: ignore[union-attr]
    code = [
        line
        for path in sorted((ROOT / "src/xlt/core").rglob("*.py"))[:20]
        for line in path.read_text().splitlines()
        if len(line) > 30
    ][:300]
    odd = (
        ["!" * n for n in range(1, 60)] + ["9" * n for n in range(1, 60)] + ["😀" * 9, " ", "\t\n"]
    )
    return {
        "Tatoeba, 5 languages": chat,
        "treebanks, 5 languages": tagged,
        "encyclopaedia, whole windows": windows(data, 16),
        "program code": code,
        "signs and numbers alone": odd,
    }


def _task(name: str) -> Any:
    from xlt.core.tasks.table import TASKS

    return TASKS[name]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench-export/steps")
    parser.add_argument("--texts", type=int, default=256, help="short texts that are timed")
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="steps to take, by the start of their names")
    parser.add_argument("--make", action="store_true", help="write the graphs and measure nothing")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    bundle = Bundle.open(options.bundle, precision="fp32", verify=False)
    blocks = int(json.loads((options.bundle / "config.json").read_text())["num_hidden_layers"])
    todo = steps(blocks)
    if options.only:
        starts = tuple(options.only.split(","))
        todo = {name: choices for name, choices in todo.items() if name.startswith(starts)}
    paths = {name: options.out / f"{n:02}.onnx" for n, name in enumerate(steps(blocks))}
    dynamic = options.out / "dynamic.onnx"
    if not dynamic.is_file():
        quantize_dynamic(
            str(bundle.onnx_path), str(dynamic), per_channel=True, weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul"],
        )  # fmt: skip
    missing = [name for name in todo if not paths[name].is_file()]
    seen = seen_of(bundle, options.data) if missing else {}
    for name in missing:
        quantize(bundle.onnx_path, paths[name], Recipe(**todo[name]), seen)
        print(f"  {name}: made", file=sys.stderr, flush=True)
    if options.make:
        return 0

    pad_id = Encoder.load(options.bundle).pad_id
    short = rows_of(options.bundle, english(options.data))
    long = rows_of(options.bundle, windows(options.data, options.windows))
    timed = short[: options.texts]
    print(f"{heading()}\n\nshort: {lengths(timed)}; long: {lengths(long)}\n")
    exact = session_run(fused(bundle.onnx_path))
    true, _ = embed(exact, short, pad_id, 512)
    loads: dict[str, Callable[[], Session]] = {
        "ORT dynamic int8": lambda: fused(dynamic),
        "+ sum and norm not fused": lambda: Session(dynamic, device="cpu", threads=1, int8=True),
    }
    for name in todo:
        loads[name] = lambda path=paths[name]: Session(path, device="cpu", threads=1, int8=True)
    sizes = {name: paths.get(name, dynamic).stat().st_size / 1e6 for name in loads}
    runs = {"fp32": exact, **{name: session_run(load()) for name, load in loads.items()}}

    def spent(run: Any, rows: Any) -> Callable[[], float]:
        return lambda: embed(run, rows, pad_id, 512)[1]

    fast = interleaved({n: spent(run, timed) for n, run in runs.items()}, options.rounds)
    slow = interleaved({n: spent(run, long) for n, run in runs.items()}, options.rounds)
    lines = []
    for name in loads:
        got, _ = embed(runs[name], short, pad_id, 512)
        alone, _ = embed(runs[name], short[:64], pad_id, 1)
        cosine = (true * got).sum(axis=1)
        moved = float(np.abs(alone - got[:64]).max())
        lines.append(
            [name, f"{sizes[name]:.0f}", f"{fast['fp32'] / fast[name]:.2f}",
             f"{slow['fp32'] / slow[name]:.2f}", f"{cosine.mean():.5f} / {cosine.min():.4f}",
             f"{kept(true, got):.3f}", "0" if moved == 0 else f"{moved:.1e}"]
        )  # fmt: skip
    head = ["step", "MB", "short x", "long x", "cosine mean / min", "nearest kept", "moves"]
    print(table(head, lines), flush=True)
    del runs
    gc.collect()
    int8 = paths[INT8]
    if int8.is_file():
        print("\n" + domains(int8, exact, texts_of(options.data), options.bundle))
    return 0


if __name__ == "__main__":
    start = time.monotonic()
    code = main()
    print(f"\n{time.monotonic() - start:.0f} s", file=sys.stderr)
    raise SystemExit(code)
