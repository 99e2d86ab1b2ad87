"""Embedding texts end to end: from padded PyTorch to our cut int8, in one interleaved run.

    python benchmarks/eval_speed.py --model E5_FOLDER [--models e5 minilm base]
        [--workloads short windows] [--threads 1] [--texts 256] [--windows 16] [--rounds 3]
        [--who ours torch pipeline st openvino] [--json FILE] [--report]

CPU seconds, tokenisation included, the best of rounds in which everybody takes turns; wall seconds
beside them. One call may measure a piece (one model, one workload); `--json` gathers pieces, also
those of other files (`--merge`), and `--report` prints their tables and the required lines without
measuring. `--model` is
e5-small-q4 (see `real_encoder.sh`); the other shapes have random weights and its tokenizer, and
say something of speed alone. Peers that are not installed are named as absent.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

for name in ("OMP", "OPENBLAS", "MKL"):  # before numpy: its own product is measured on one thread
    os.environ.setdefault(f"{name}_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import importlib.metadata
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from eval_speed_lines import report
from eval_speed_models import Contestant, Embed, Subject, contestants, fastest, flags
from numpy.typing import NDArray
from speed import ROOT, SHAPES, export, flops, random_model, sgemm

from xlt.core.encode.encoder import Encoder
from xlt.core.files import read_json, write_json
from xlt.export.variants.measure import cpu_name

BLOCKS = {"e5": (12, 384, 12, 1536), **SHAPES}
CUT_AT = {"e5": 8, "minilm": 4, "base": 8, "large": 14}
PAD_TO = {"short": 128, "windows": 384}
WHO = ("ours", "torch", "pipeline", "st", "openvino")
PACKAGES = ("torch", "transformers", "sentence-transformers", "optimum-onnx", "onnxruntime",
            "openvino", "numpy")  # fmt: skip
TOO_SLOW = 4  # times the fastest: one round is enough to know


def short_texts(data: Path, count: int) -> list[str]:
    """Sentences of Tatoeba, the same number of each language, in a fixed random order."""
    files = sorted((data / "tatoeba").glob("tatoeba.*-*.*"))
    rng = random.Random(0)
    each = -(-count // max(1, len(files)))
    found = []
    for file in files:
        lines = [x for x in file.read_text(encoding="utf-8").splitlines() if x.strip()]
        found += rng.sample(lines, min(each, len(lines)))
    rng.shuffle(found)
    return found[:count]


def full_windows(data: Path, count: int, encoder: Encoder) -> list[str]:
    """Paragraphs of XQuAD, two of a text joined and cut at 384 tokens; those above 300."""
    found = json.loads((data / "xquad/xquad.en.json").read_text(encoding="utf-8"))
    texts = []
    for item in found["data"]:
        parts = [part["context"] for part in item["paragraphs"]]
        texts += [" ".join(parts[n : n + 2]) for n in range(0, len(parts) - 1, 2)]
    cut = []
    for text in texts:
        offsets = encoder.tokenizer.encode(text, add_special_tokens=False).offsets
        cut.append(text[: offsets[min(len(offsets), PAD_TO["windows"] - 3) - 1][1]])
    long = [text for text in cut if widths_of(encoder, [text])[0] > 300]
    if not long:  # a world's paragraphs are short
        long = [" ".join(cut)[: 6 * PAD_TO["windows"]]]
    return [long[n % len(long)] for n in range(count)]


def widths_of(encoder: Encoder, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, special tokens included."""
    return [len(one.ids) for one in encoder.tokenizer.encode_batch(list(texts))]


def rates() -> dict[str, float]:
    """float32 products on one thread, flop a second: numpy, torch, and torch through oneDNN."""
    found = {"numpy": sgemm(0.5)}
    try:
        import torch

        from xlt.train.loop.products import onednn_is_faster
    except ImportError:
        return found
    runs: dict[str, Any] = {"torch": lambda a, b: torch.nn.functional.linear(a, b)}
    if onednn_is_faster():
        runs["oneDNN"] = lambda a, b: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for rate, run in runs.items():
        best = 0.0
        for width, inner in ((384, 1536), (768, 3072), (1536, 384)):
            a, b = torch.rand(512, width), torch.rand(inner, width)
            for _ in range(12):
                start = time.thread_time()
                run(a, b)
                best = max(best, 2 * 512 * width * inner / (time.thread_time() - start))
        found[rate] = best
    torch.set_num_threads(before)
    return found


def measure(subject: Subject, texts: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """Everybody's times on the texts, and whether all computed the same vectors."""
    chosen: dict[str, tuple[str, Embed]] = {}
    vectors: dict[str, NDArray[np.float32]] = {}
    part = texts[: max(4, len(texts) // 4)]
    one = one_thread(subject) if subject.threads > 1 and "ours" in options.who else ()
    for contestant in (*contestants(subject, options.who), *one):
        say(f"{subject.name}: {contestant.name}")
        chosen[contestant.name] = fastest(contestant, part)
        vectors[contestant.name] = chosen[contestant.name][1](part)
    spent = {name: {"cpu": float("inf"), "wall": float("inf")} for name in chosen}
    gemm = rates()
    for turn in range(options.rounds):
        say(f"{subject.name}: round {turn + 1} of {options.rounds}")
        fast = min(one["cpu"] for one in spent.values())
        for name, (_, embed) in chosen.items():
            if turn and spent[name]["cpu"] > TOO_SLOW * fast:
                continue
            cpu, wall = time.process_time(), time.perf_counter()
            embed(texts)
            spent[name]["cpu"] = min(spent[name]["cpu"], time.process_time() - cpu)
            spent[name]["wall"] = min(spent[name]["wall"], time.perf_counter() - wall)
        for rate, value in rates().items():
            gemm[rate] = max(gemm[rate], value)
    named = [name for name in ("torch sorted fp32", "ours fp32") if name in vectors]
    exact = vectors[named[0]] if named else None

    def cosine(name: str) -> float | None:
        if exact is None or "cut" in name:  # vectors of another block
            return None
        return float((vectors[name] * exact).sum(axis=1).mean())

    return {
        name: {
            "setting": chosen[name][0],
            "cpu_seconds": spent[name]["cpu"],
            "wall_seconds": spent[name]["wall"],
            "cosine": cosine(name),
        }
        for name in chosen
    } | {"gemm": gemm}


def one_thread(subject: Subject) -> list[Contestant]:
    """Ours on one thread, beside two."""
    from dataclasses import replace

    from eval_speed_models import ours

    return [
        replace(one, name=f"{one.name}, one thread")
        for one in ours(replace(subject, threads=1))
        if one.name != "ours cut int8"
    ]


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def subject_of(name: str, threads: int, workload: str, options: argparse.Namespace) -> Subject:
    """A model with its bundles, which are made once."""
    out = options.out
    model = (
        options.model if name == "e5" else random_model(name, options.model, out / f"{name}-model")
    )
    every = ("--precision", "fp32,int8", "--data", str(options.data), "--threads", "1")
    return Subject(
        name=name,
        model=model,
        bundle=export(model, out / name, *every, "--layer", "last"),
        cut=export(model, out / f"{name}-cut", *every, "--layer", str(CUT_AT[name])),
        threads=threads,
        pad_to=PAD_TO[workload],
        cache=out,
    )


def piece(name: str, workload: str, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """One model on one workload."""
    subject = subject_of(name, threads, workload, options)
    encoder = Encoder.load(subject.bundle)
    texts = (
        short_texts(options.data, options.texts)
        if workload == "short"
        else full_windows(options.data, options.windows, encoder)
    )
    widths = widths_of(encoder, texts)
    blocks, width, _, inner = BLOCKS[name]
    before = os.getloadavg()[0]
    found = measure(subject, texts, options)
    return {
        "texts": len(texts),
        "tokens": {"mean": statistics.mean(widths), "longest": max(widths)}
        | {f"{q} %": float(np.percentile(widths, q)) for q in (10, 50, 90)},
        "flop": flops((blocks, width, inner), widths),
        "gemm": found.pop("gemm"),
        "results": found,
        "rounds": options.rounds,
        "load": [before, os.getloadavg()[0]],
        "cores": len(os.sched_getaffinity(0)),
        "cpu": cpu_name(),
        "can": sorted(flags() & {"avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8"}),
        "versions": versions(),
    }


def gathered(path: Path | None, more: Sequence[Path] = ()) -> dict[str, Any]:
    """All that was measured, of one file and of others that are put into it."""
    kept: dict[str, Any] = {"schema": 1, "runs": {}}
    for one in (path, *more):
        if one is not None and one.is_file():
            for name, value in read_json(one).items():
                known = kept.get(name)
                kept[name] = known | value if isinstance(known, dict) else value
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="the folder of e5-small-q4")
    parser.add_argument(
        "--models", nargs="+", choices=sorted(BLOCKS), default=["e5", "minilm", "base"]
    )
    parser.add_argument("--workloads", nargs="+", choices=sorted(PAD_TO), default=list(PAD_TO))
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--texts", type=int, default=256, help="short texts")
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--who", nargs="+", choices=WHO, default=list(WHO))
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT.parent / "shared/data",
        help="a data root with tatoeba and xquad; one of `xlt world` will do",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench-export")
    parser.add_argument("--json", type=Path, help="pieces are gathered here")
    parser.add_argument("--merge", type=Path, nargs="+", default=[], help="pieces of other calls")
    parser.add_argument("--report", action="store_true", help="print what is gathered, and stop")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 where a required line is missed"
    )
    options = parser.parse_args()
    kept = gathered(options.json, options.merge)
    if not options.report:
        if options.model is None:
            parser.error("--model is needed to measure")
        for name in options.models:
            for workload in options.workloads:
                for threads in options.threads:
                    found = piece(name, workload, threads, options)
                    kept["runs"][f"{name}/{workload}/{threads}"] = found
                    if options.json is not None:
                        write_json(options.json, kept)
    elif options.json is not None and options.merge:
        write_json(options.json, kept)
    text, good = report(kept["runs"])
    print(text)
    return 0 if good or not options.check else 1


if __name__ == "__main__":
    raise SystemExit(main())
