"""The tables of `eval_speed.py`, and the lines it is held against, reached or missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from speed import table

Run = Mapping[str, Any]
REAL, OTHERS = ("e5", "base"), ("minilm",)
ST = ("sentence-transformers torch", "sentence-transformers onnx")
FP32, INT8, BF16 = "ours fp32", "ours int8", "torch sorted bf16"
AMX = "amx_bf16"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One bound.

    Attributes:
        piece: model/workload/threads.
        what: what is compared.
        value: from a piece to a number; None where a part of it was not measured.
        required: least value; None for goals only.
        goal: least value beyond.
        only: a processor flag without which the line does not bind, `no-amx` for the reverse.
    """

    piece: str
    what: str
    value: Callable[[Run], float | None]
    required: float | None
    goal: float | None = None
    only: str = ""


def seconds(run: Run, name: str, kind: str = "cpu") -> float | None:
    """A contestant's seconds; None where it did not run."""
    one = run["results"].get(name)
    return None if one is None else float(one[f"{kind}_seconds"])


def ratio(slow: tuple[str, ...], fast: str, kind: str = "cpu") -> Callable[[Run], float | None]:
    """How many times as fast one is as the better of others."""

    def of(run: Run) -> float | None:
        others = [s for s in (seconds(run, name, kind) for name in slow) if s is not None]
        mine = seconds(run, fast, kind)
        return min(others) / mine if others and mine else None

    return of


def share(*products: str) -> Callable[[Run], float | None]:
    """Our rate in fp32 over the best of some products of this run."""

    def of(run: Run) -> float | None:
        mine = seconds(run, FP32)
        peak = max((run["gemm"][name] for name in products if name in run["gemm"]), default=None)
        return run["flop"] / mine / peak if mine and peak else None

    return of


def lines() -> Iterator[Line]:
    """All required and goal lines."""
    for model in (*REAL, *OTHERS):
        binds = model in REAL
        for workload, least in (("short", 1.35), ("windows", 1.1)):
            yield Line(
                piece=f"{model}/{workload}/1",
                what="fp32 over sentence-transformers' better backend",
                value=ratio(ST, FP32),
                required=least if binds else None,
                goal=least,
            )
            yield Line(
                piece=f"{model}/{workload}/1",
                what="fp32 over sorted torch fp32",
                value=ratio(("torch sorted fp32",), FP32),
                required=0.95 if binds else None,
                goal=0.95,
            )
    bounds = {"e5/short": (0.72, 0.77), "base/short": (0.66, 0.70),
              "e5/windows": (0.72, 0.75), "base/windows": (0.80, 0.85)}  # fmt: skip
    for piece, (least, goal) in bounds.items():
        yield Line(
            piece=f"{piece}/1",
            what="fp32, share of sgemm (the better of numpy's and torch's)",
            value=share("numpy", "torch"),
            required=least,
            goal=goal,
        )
        yield Line(
            piece=f"{piece}/1",
            what="fp32, share of oneDNN's sgemm",
            value=share("oneDNN"),
            required=None,
            goal=goal,
        )
    for piece, with_amx, without in (
        ("e5/short", 3.0, 2.2),
        ("base/short", 4.5, 2.7),
        ("e5/windows", 2.1, 2.1),
        ("base/windows", 3.6, None),
    ):
        over = {"piece": f"{piece}/1", "what": "int8 over fp32", "value": ratio((FP32,), INT8)}
        yield Line(**over, required=with_amx, only=AMX)
        yield Line(**over, required=without, goal=with_amx, only="no-amx")
        yield Line(
            piece=f"{piece}/1",
            what="int8 over sorted torch bf16",
            value=ratio((BF16,), INT8),
            required=1.3 if piece.endswith("short") else None,
            goal=1.3 if piece.endswith("short") else 1.0,
            only=AMX if piece.endswith("short") else "",
        )
    for model in REAL:
        for name in (FP32, INT8):
            yield Line(
                piece=f"{model}/short/2",
                what=f"two cores over one, wall, {name.removeprefix('ours ')}",
                value=ratio((f"{name}, one thread",), f"{name}, side by side", "wall"),
                required=1.7,
                goal=1.85,
            )


def judged(runs: Mapping[str, Run]) -> tuple[list[list[str]], bool]:
    """Rows of the table of lines; whether every required one that binds here is reached."""
    rows, good = [], True
    for line in lines():
        run = runs.get(line.piece)
        has = run is not None and AMX in run["can"]
        if line.only and run is not None and has != (line.only == AMX) and line.only == "no-amx":
            continue
        value = None if run is None else line.value(run)
        binds = line.only != AMX or has
        needed = line.required if binds else None
        if value is None:
            verdict = "not measured"
        elif not binds:
            verdict = "no AMX"
        elif needed is not None and value < needed:
            verdict, good = f"**missed by {needed - value:.2f}**", False
        elif line.goal is not None and value < line.goal:
            verdict = ("reached, " if needed else "") + f"goal missed by {line.goal - value:.2f}"
        else:
            verdict = "reached"
        rows.append(
            [
                f"{line.piece}: {line.what}",
                "-" if value is None else f"{value:.2f}",
                "-" if line.required is None else f"{line.required:.2f}",
                "-" if line.goal is None else f"{line.goal:.2f}",
                verdict,
            ]
        )
    return rows, good


def report(runs: Mapping[str, Run]) -> tuple[str, bool]:
    """Markdown of all pieces and lines; whether nothing required is missed."""
    parts = []
    for piece, run in runs.items():
        base = seconds(run, FP32)
        gemm = {name: f"{rate / 1e9:.0f}" for name, rate in run["gemm"].items()}
        tokens = ", ".join(f"{name} {value:.0f}" for name, value in run["tokens"].items())
        absent = [name for name, version in run["versions"].items() if version == "absent"]
        rows = []
        for name, one in run["results"].items():
            cpu = one["cpu_seconds"]
            rows.append(
                [
                    name,
                    one["setting"],
                    f"{run['texts'] / cpu:.1f}",
                    f"{base / cpu:.2f}" if base else "-",
                    f"{run['flop'] / cpu / 1e9:.0f}" if "cut" not in name else "-",
                    f"{one['wall_seconds'] / cpu:.2f}",
                    "-" if one["cosine"] is None else f"{one['cosine']:.5f}",
                ]
            )
        note = "" if AMX in run["can"] else "; no AMX"
        note += "" if BF16 in run["results"] else "; no bf16 in hardware, or not asked for"
        head = ["", "setting", "texts / CPU s", "ours fp32 = 1", "GFLOP/s", "wall / CPU", "cosine"]
        parts.append(
            f"### {piece} {'thread' if piece.endswith('/1') else 'threads'}\n\n"
            f"{run['cpu']} ({', '.join(run['can'])}{note}); load {run['load'][0]:.1f} to "
            f"{run['load'][1]:.1f} on {run['cores']} cores; best of {run['rounds']} rounds.\n"
            f"{run['texts']} texts, tokens: {tokens}. Products in this run, GFLOP/s: "
            + ", ".join(f"{name} {rate}" for name, rate in gemm.items())
            + (f". Absent: {', '.join(absent)}" if absent else "")
            + ".\n\n"
            + table(head, rows)
        )
    rows, good = judged(runs)
    known = [row for row in rows if row[-1] != "not measured"]
    head = ["", "measured", "required", "goal", ""]
    parts.append("### Lines\n\n" + table(head, known))
    left = sorted({row[0] for row in rows if row not in known})
    if left:
        parts.append(f"Not measured: {'; '.join(left)}.")
    return "\n\n".join(parts), good
