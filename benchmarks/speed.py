"""What the speed benchmarks share: models of given shapes, texts, and interleaved CPU seconds."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row, pad
from xlt.core.inference.batch import plan
from xlt.core.inference.session import Session
from xlt.core.kinds.table import encode
from xlt.export.variants.measure import cpu_name

ROOT = Path(__file__).resolve().parent.parent
SHAPES = {  # blocks, width, heads, inner width
    "minilm": (6, 384, 12, 1536),
    "base": (12, 768, 12, 3072),
    "large": (24, 1024, 16, 4096),
}
HIDDEN = "last_hidden_state"
Run = Callable[[], float]


def heading() -> str:
    """CPU, its 8-bit and bf16 instructions, and the load, for the head of a table."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    known = [n for n in ("avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8") if f" {n}" in flags]
    load = os.getloadavg()[0]
    return (
        f"CPU {cpu_name()} ({', '.join(known) or 'none of VNNI, BF16, AMX'}), "
        f"{len(os.sched_getaffinity(0))} cores, load {load:.1f}"
    )


def random_model(shape: str, tokenizer_of: Path, out: Path) -> Path:
    """A checkpoint of XLM-R's architecture with random weights and another model's tokenizer."""
    if (out / "model.safetensors").is_file():
        return out
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    blocks, width, heads, inner = SHAPES[shape]
    settings = json.loads((tokenizer_of / "config.json").read_text())
    config = XLMRobertaConfig(
        vocab_size=settings["vocab_size"],
        hidden_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
    )
    torch.manual_seed(1)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(tokenizer_of / name, out / name)
    XLMRobertaModel(config).save_pretrained(out)
    return out


def export(model: Path, out: Path, *flags: str) -> Path:
    """A bundle of a checkpoint with block `last`, made once."""
    if not (out / "xlt.json").is_file():
        command = [sys.executable, "-m", "xlt", "export", str(model), "--out", str(out)]
        subprocess.run([*command, *flags, "--force"], check=True, stdout=subprocess.DEVNULL)
    return out


def english(data: Path) -> list[str]:
    """A thousand English sentences of Tatoeba."""
    text = (data / "tatoeba/tatoeba.deu-eng.eng").read_text(encoding="utf-8")
    return text.splitlines()[:1000]


def windows(data: Path, count: int) -> list[str]:
    """Paragraphs of XQuAD, three joined: windows of full length once they are cut."""
    found = json.loads((data / "xquad/xquad.en.json").read_text(encoding="utf-8"))
    texts = [part["context"] for item in found["data"] for part in item["paragraphs"]]
    return [" ".join(texts[n : n + 2]) for n in range(0, 2 * count, 2)]


def rows_of(folder: Path, texts: Sequence[str], *, longest: int = 384) -> list[Row]:
    """Rows of a bundle's own encoder."""
    return encode(Encoder.load(folder, max_length=longest), "embed", list(texts))


def lengths(rows: Sequence[Row]) -> str:
    """Mean, median and maximum of the rows' tokens."""
    width = [row.width for row in rows]
    return (
        f"{len(rows)} texts, tokens mean {statistics.mean(width):.1f}, "
        f"median {statistics.median(width):.0f}, longest {max(width)}"
    )


def batches_of(
    rows: Sequence[Row], pad_id: int, budget: int
) -> list[tuple[list[int], dict[str, Any]]]:
    """Sorted batches: places of their rows, and feeds."""
    found = []
    for batch in plan([row.width for row in rows], max_tokens=budget):
        feeds = dict(pad([rows[i] for i in batch], pad_id))
        feeds.setdefault("token_type_ids", np.zeros_like(feeds["input_ids"]))
        found.append((list(map(int, batch)), feeds))
    return found


def embed(
    run: Callable[[Mapping[str, Any]], NDArray[Any]], rows: Sequence[Row], pad_id: int, budget: int
) -> tuple[NDArray[np.float64], float]:
    """Mean-pooled unit vectors (N, D), and CPU seconds of the model's runs."""
    vectors: list[Any] = [None] * len(rows)
    spent = 0.0
    for places, feeds in batches_of(rows, pad_id, budget):
        start = time.thread_time()
        hidden_BLD = run(feeds)
        spent += time.thread_time() - start
        for row, place in enumerate(places):
            vector = hidden_BLD[row, : rows[place].width].mean(axis=0, dtype=np.float64)
            vectors[place] = vector / np.linalg.norm(vector)
    return np.stack(vectors), spent


def session_run(session: Session) -> Callable[[Mapping[str, Any]], NDArray[Any]]:
    """A function from feeds to hidden states (B, L, D)."""
    return lambda feeds: session.run(feeds, [HIDDEN])[0]


def interleaved(runs: Mapping[str, Run], rounds: int) -> dict[str, float]:
    """The best of `rounds` of each, taken in turns, so that a busy minute meets all of them."""
    best: dict[str, float] = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            best[name] = min(best[name], run())
    return best


def flops(shape: tuple[int, int, int], widths: Sequence[int]) -> float:
    """Multiply-adds times two of the blocks' products for rows of these lengths.

    Args:
        shape: blocks, width, inner width.
        widths: tokens of the rows, without padding.
    """
    blocks, width, inner = shape
    tokens = sum(widths)
    dense = 2 * tokens * (4 * width * width + 2 * width * inner)
    attention = 4 * width * sum(n * n for n in widths)
    return blocks * (dense + attention)


def sgemm(seconds: float = 1.0) -> float:
    """The best rate of numpy's float32 product in this process, in flop a CPU second."""
    rng = np.random.default_rng(0)
    best = 0.0
    stop = time.monotonic() + seconds
    pairs = [(rng.random((512, k), np.float32), rng.random((k, 1536), np.float32)) for k in
             (384, 768, 1536)]  # fmt: skip
    while time.monotonic() < stop:
        for a, b in pairs:
            start = time.thread_time()
            for _ in range(4):
                a @ b
            spent = time.thread_time() - start
            best = max(best, 4 * 2 * a.shape[0] * a.shape[1] * b.shape[1] / spent)
    return best


def peak_mib() -> float:
    """Most memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def kept(exact_ND: NDArray[Any], got_ND: NDArray[Any]) -> float:
    """Share of rows whose nearest other row is the same."""

    def nearest(vec_ND: NDArray[Any]) -> NDArray[Any]:
        near_NN = vec_ND @ vec_ND.T
        np.fill_diagonal(near_NN, -9)
        return np.asarray(near_NN.argmax(axis=1))

    return float((nearest(exact_ND) == nearest(got_ND)).mean())


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "| :- |" + " -: |" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
