"""Variants of exported encoders side by side in one run on one thread: size, start, speed, quality.

    python benchmarks/export.py --model E5_FOLDER [--shape minilm --shape base] [--data DATA]

`--model` is a sentence encoder as a Hugging Face folder (see `real_encoder.sh`; the figures of
README.md are those of e5-small-q4); shapes are built with random weights and its tokenizer, and say
something of speed alone. Ratios are of CPU seconds of one thread, the best of interleaved rounds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from speed import (
    ROOT,
    SHAPES,
    embed,
    english,
    export,
    heading,
    interleaved,
    kept,
    lengths,
    peak_mib,
    random_model,
    rows_of,
    session_run,
    table,
    windows,
)

from xlt.core.artifacts.bundle import INT8, Bundle
from xlt.core.encode.encoder import Encoder
from xlt.core.inference.session import Session
from xlt.core.kinds.table import encode
from xlt.core.stats.intervals import percentile

VARIANTS = ("fp32", "int8", "int8-vnni")
REQUIRED = {"e5": (2.2, 2.1), "base": (2.7, None)}  # short, long; CPUs without AMX
Hidden = Callable[[Mapping[str, Any]], Any]


def torch_bf16(model: Path) -> Hidden | None:
    """Sorted PyTorch in bf16, SDPA; None where PyTorch is not installed."""
    try:
        import torch
        from transformers import AutoModel
    except ImportError:
        return None
    torch.set_num_threads(1)
    loaded = AutoModel.from_pretrained(
        str(model), dtype=torch.bfloat16, attn_implementation="sdpa"
    ).eval()
    takes = {"input_ids", "attention_mask"}

    def run(feeds: Mapping[str, Any]) -> Any:
        with torch.inference_mode():
            given = {n: torch.from_numpy(a) for n, a in feeds.items() if n in takes}
            return loaded(**given).last_hidden_state.float().numpy()

    return run


def openvino(bundle: Path) -> Hidden | None:
    """OpenVINO on the fp32 graph with its default precision; None where it is not installed."""
    try:
        import openvino
    except ImportError:
        return None
    core = openvino.Core()
    core.set_property("CPU", {"INFERENCE_NUM_THREADS": 1})
    compiled = core.compile_model(str(bundle / "onnx/model.onnx"), "CPU")
    names = {port.any_name for port in compiled.inputs}
    return lambda feeds: compiled({n: a for n, a in feeds.items() if n in names})[
        "last_hidden_state"
    ]


def start_of(bundle: Path, precision: str) -> tuple[float, float]:
    """Seconds until a new process has a session, and its peak MiB above the bare imports."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from xlt.core.inference.session import Session; import onnxruntime\n"
        "def peak():\n"
        "    lines = Path('/proc/self/status').read_text().splitlines()\n"
        "    return next(int(x.split()[1]) for x in lines if x.startswith('VmHWM'))\n"
        "bare = peak(); t = time.process_time()\n"
        "Session(Path(sys.argv[1]), device='cpu', threads=1, int8=sys.argv[2] != 'fp32')\n"
        "print(time.process_time() - t, (peak() - bare) / 1024)"
    )
    path = Bundle.open(bundle, precision=precision, verify=False).onnx_path
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), precision],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds, peak = done.stdout.split()
    return float(seconds), float(peak)


def compare(name: str, model: Path, bundle: Path, data: Path, options: argparse.Namespace) -> bool:
    """Print the table of one model; whether the required ratios hold."""
    pad_id = Encoder.load(bundle).pad_id
    short = rows_of(bundle, english(data))
    long = rows_of(bundle, windows(data, options.windows))
    timed = short[: options.texts]
    print(f"\n## {name}\n\n{heading()}\n\nshort: {lengths(timed)}; long: {lengths(long)}\n")
    runs: dict[str, Hidden] = {}
    for precision in VARIANTS:
        path = Bundle.open(bundle, precision=precision, verify=False).onnx_path
        session = Session(path, device="cpu", threads=1, int8=precision in INT8)
        runs[precision] = session_run(session)
    others = {"torch bf16 sorted": torch_bf16(model), "OpenVINO": openvino(bundle)}
    runs |= {other: run for other, run in others.items() if run is not None}

    def spent(run: Hidden, rows: Any) -> Callable[[], float]:
        return lambda: embed(run, rows, pad_id, options.budget)[1]

    fast = interleaved({n: spent(run, timed) for n, run in runs.items()}, options.rounds)
    slow = interleaved({n: spent(run, long) for n, run in runs.items()}, options.rounds)
    exact, _ = embed(runs["fp32"], short, pad_id, options.budget)
    lines = []
    for variant, run in runs.items():
        got, _ = embed(run, short, pad_id, options.budget)
        alone, _ = embed(run, short[:64], pad_id, 1)
        cosine = (exact * got).sum(axis=1)
        moved = float(np.abs(alone - got[:64]).max())
        path = (
            Bundle.open(bundle, precision=variant, verify=False).onnx_path
            if variant in VARIANTS
            else None
        )
        load, peak = start_of(bundle, variant) if path else (float("nan"), float("nan"))
        lines.append(
            [
                variant,
                f"{path.stat().st_size / 1e6:.0f}" if path else "-",
                f"{load:.2f}" if path else "-",
                f"{peak:.0f}" if path else "-",
                f"{len(timed) / fast[variant]:.0f}",
                f"{fast['fp32'] / fast[variant]:.2f}",
                f"{slow['fp32'] / slow[variant]:.2f}",
                f"{cosine.mean():.5f} / {cosine.min():.4f}",
                f"{kept(exact, got):.3f}",
                "0" if moved == 0 else f"{moved:.1e}",
            ]
        )
        print(f"  {variant} measured", file=sys.stderr)
    head = ["variant", "MB", "load s", "peak MiB", "short/s", "short x", "long x",
            "cosine mean / min", "nearest kept", "moves with batch"]  # fmt: skip
    print(table(head, lines))
    print(f"\nload and peak are of the session alone; this process: {peak_mib():.0f} MiB")
    need_short, need_long = REQUIRED.get(name, (None, None))
    ok = True
    for what, need, best in (
        ("short", need_short, max(fast["fp32"] / fast[v] for v in INT8)),
        ("long", need_long, max(slow["fp32"] / slow[v] for v in INT8)),
    ):
        if need is not None:
            ok &= best >= need
            print(f"{name}, {what}: {best:.2f} of {need} required without AMX")
    return ok


def retrieval_cost(bundle: Path, data: Path, options: argparse.Namespace) -> None:
    """Tatoeba accuracy by language, fp32 against int8, with paired intervals over sentences."""
    encoder = Encoder.load(bundle, max_length=384)
    found: dict[str, dict[str, Any]] = {}
    for file in sorted((data / "tatoeba").glob("tatoeba.*-eng.eng")):
        lang = file.name.split(".")[1].partition("-")[0]
        sides = [
            path.read_text(encoding="utf-8").splitlines()[: options.pairs]
            for path in (file.with_suffix(f".{lang}"), file)
        ]
        found[lang] = {"rows": [encode(encoder, "embed", side) for side in sides]}
    for precision in VARIANTS:
        path = Bundle.open(bundle, precision=precision, verify=False).onnx_path
        run = session_run(Session(path, device="cpu", threads=1, int8=precision in INT8))
        for entry in found.values():
            vec = [embed(run, rows, encoder.pad_id, 512)[0] for rows in entry["rows"]]
            right = (vec[0] @ vec[1].T).argmax(axis=1) == np.arange(len(vec[0]))
            entry[precision] = 100.0 * right
    lines = []
    for lang, entry in [*found.items(), ("mean", {})]:
        row = [lang]
        for precision in VARIANTS:
            values = [entry] if entry else list(found.values())
            row.append(f"{np.mean([v[precision].mean() for v in values]):.1f}")
        for precision in VARIANTS[1:]:
            values = [entry] if entry else list(found.values())
            change = np.concatenate([v[precision] - v["fp32"] for v in values])
            rng = np.random.default_rng(0)
            drawn = rng.integers(len(change), size=(2000, len(change)))
            low, high = percentile(change[drawn].mean(axis=1))
            row.append(f"{change.mean():+.2f} [{low:+.2f}, {high:+.2f}]")
        lines.append(row)
    print(f"\n### Tatoeba, {options.pairs} pairs a language: what int8 costs, in points\n")
    print(table(["", *VARIANTS, "int8 - fp32", "int8-vnni - fp32"], lines))


def cut_udpos(data: Path, out: Path, sentences: int) -> Path:
    """A data root with the first sentences of every UD-POS test file."""
    place = out / f"udpos-{sentences}"
    (place / "udpos").mkdir(parents=True, exist_ok=True)
    for path in sorted((data / "udpos").glob("*-test.conllu.gz")):
        parts = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n\n")[:sentences]
        text = "\n\n".join(parts).strip("\n") + "\n\n"
        (place / "udpos" / path.name).write_bytes(gzip.compress(text.encode(), mtime=0))
    return place


def tuned_cost(bundle: Path, data: Path, out: Path) -> None:
    """What int8 costs a tuned model, by language, on the items of `xlt eval`."""
    command = [sys.executable, "-m", "xlt", "eval", str(bundle), "--data", str(data), "--json"]
    changes: dict[str, list[str]] = {}
    before: list[str] = []
    for precision in VARIANTS:
        folder = out / f"eval-{precision}"
        flags = ["--langs", "all", *before, "--precision", precision, "--out", str(folder)]
        done = subprocess.run([*command, *flags], check=True, capture_output=True, text=True)
        if precision == "fp32":
            before = ["--against", str(folder)]
            continue
        found = json.loads(done.stdout)["comparison"]
        for cell in found["cells"]:
            lines = changes.setdefault(f"{cell['task']} {cell['lang']}", [f"{cell['before']:.1f}"])
            lines.append(_change(cell["test"]))
        for task, test in found["means"].items():
            changes.setdefault(f"{task}, mean", [""]).append(_change(test))
    print("\n### Tuned model: what int8 costs, in points\n")
    print(table(["", "fp32", *VARIANTS[1:]], [[place, *cells] for place, cells in changes.items()]))


def _change(test: Mapping[str, float] | None) -> str:
    if test is None:
        return "-"
    return f"{test['difference']:+.2f} [{test['low']:+.2f}, {test['high']:+.2f}]"


def export_peak(model: Path, out: Path, precision: str) -> tuple[float, float]:
    """CPU seconds and peak MiB of an export in a process of its own."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'xlt', 'export', *sys.argv[1:]], check=True,\n"
        "    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)"
    )
    flags = [str(model), "--out", str(out), "--layer", "last", "--precision", precision, "--force"]
    done = subprocess.run(
        [sys.executable, "-c", code, *flags], check=True, capture_output=True, text=True
    )
    seconds, peak = done.stdout.split()
    return float(seconds), float(peak)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a sentence encoder's folder")
    parser.add_argument("--name", default="e5", help="what the model is called")
    parser.add_argument("--shape", action="append", choices=sorted(SHAPES), default=[])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench-export")
    parser.add_argument("--texts", type=int, default=384)
    parser.add_argument("--windows", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=0, help="Tatoeba pairs a language")
    parser.add_argument("--tuned", type=Path, help="a bundle of a tuned model with all variants")
    parser.add_argument("--sentences", type=int, help="of UD-POS, a language")
    parser.add_argument("--peaks", action="store_true", help="also time and memory of exports")
    parser.add_argument("--skip-speed", action="store_true", help="costs alone")
    parser.add_argument("--check", action="store_true", help="exit 1 below a required ratio")
    options = parser.parse_args()
    start = time.monotonic()
    every = ("--precision", ",".join(VARIANTS), "--layer", "last", "--data", str(options.data))
    bundle = export(options.model, options.out / options.name, *every)
    good = True
    if not options.skip_speed:
        good = compare(options.name, options.model, bundle, options.data, options)
    for shape in options.shape:
        model = random_model(shape, options.model, options.out / f"{shape}-model")
        made = export(model, options.out / shape, *every)
        good &= compare(shape, model, made, options.data, options)
    if options.pairs:
        retrieval_cost(bundle, options.data, options)
    if options.tuned:
        cut = options.sentences
        root = cut_udpos(options.data, options.out, cut) if cut else options.data
        tuned_cost(options.tuned, root, options.out)
    if options.peaks:
        rows = []
        for precision in ("fp32", "int8"):
            seconds, peak = export_peak(options.model, options.out / "peak", precision)
            rows.append([precision, f"{seconds:.0f}", f"{peak:.0f}"])
        print("\n### Exports\n\n" + table(["variant", "CPU s", "peak MiB"], rows))
    print(f"\n{time.monotonic() - start:.0f} s")
    return 0 if good or not options.check else 1


if __name__ == "__main__":
    raise SystemExit(main())
