"""Embedding texts on a GPU, end to end with tokenisation: torch's ways, and ours.

    python benchmarks/gpu_speed.py --model DIR [--models e5 base] [--texts 20000] [--windows 1500]

One process, contestants in turns, wall seconds, best of the rounds; each keeps the setting that is
fastest on all texts. Everybody tokenises with the same `tokenizers` call. Peers in fp16: padded to
a fixed length, sorted with SDPA, the same compiled, and packed rows with torch's varlen attention,
the strongest one; all launch every batch before the first result is read. Ours: `Engine.embed` on
bundles of `xlt export`, fp32 and fp16, with one, two and four batches in flight.
`--graphs` times prepared batches alone, without tokenisation.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from eval_speed import BLOCKS, PAD_TO, full_windows, short_texts
from numpy.typing import NDArray
from speed import ROOT, export, flops, random_model, table

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import pad
from xlt.core.inference.batch import plan
from xlt.core.inference.budget import Budget
from xlt.core.inference.engine import Engine
from xlt.core.kinds.table import encode

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]
BUDGETS = (16384, 65536)
LONGEST = 384


class Plain:
    """A PyTorch encoder in fp16 with mean pooling, as its best users write it.

    Args:
        folder: the checkpoint.
        packed: rows one after another without padding, through torch's varlen attention.
        compiled: through torch.compile with dynamic shapes.
    """

    def __init__(self, folder: Path, *, packed: bool = False, compiled: bool = False) -> None:
        from tokenizers import Tokenizer
        from transformers import AutoModel

        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.no_padding()
        self.cut: dict[str, Any] = {}
        model = AutoModel.from_pretrained(
            folder, attn_implementation="sdpa", add_pooling_layer=False, dtype=torch.float16
        )
        self.model = model.eval().cuda()
        self.first = 0 if model.config.model_type == "bert" else model.config.pad_token_id + 1
        self.pad_id = int(model.config.pad_token_id or 0)
        if packed:
            self._use_varlen()
        self.run = torch.compile(self.model, dynamic=True) if compiled else self.model

    def _use_varlen(self) -> None:
        from torch.nn.attention.varlen import varlen_attn
        from transformers import AttentionInterface
        from transformers.masking_utils import AttentionMaskInterface

        def attend(module: Any, query: Any, key: Any, value: Any, mask: Any, **more: Any) -> Any:
            parts = (one[0].transpose(0, 1).contiguous() for one in (query, key, value))
            cut, longest = self.cut["starts"], self.cut["longest"]
            return varlen_attn(*parts, cut, cut, longest, longest).unsqueeze(0), None

        AttentionInterface.register("varlen", attend)
        AttentionMaskInterface.register("varlen", lambda *_, **__: None)
        self.model.set_attn_implementation("varlen")

    def ids(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Token ids of each text."""
        return [np.array(one.ids) for one in self.tokenizer.encode_batch_fast(list(texts))]

    def padded(self, ids: Sequence[NDArray[np.int64]], width: int) -> Any:
        """Vectors (B, D) of texts padded to one width, still on the GPU."""
        real_BL = np.arange(width) < np.array([len(one) for one in ids])[:, None]
        ids_BL = np.full(real_BL.shape, self.pad_id, np.int64)
        ids_BL[real_BL] = np.concatenate(ids)
        batch = [torch.from_numpy(a).cuda(non_blocking=True) for a in (ids_BL, real_BL.astype(int))]
        hidden_BLD = self.run(input_ids=batch[0], attention_mask=batch[1]).last_hidden_state
        sum_BD = (hidden_BLD * batch[1].unsqueeze(-1)).sum(1, dtype=torch.float32)
        return torch.nn.functional.normalize(sum_BD, dim=-1)

    def packed(self, ids: Sequence[NDArray[np.int64]]) -> Any:
        """Vectors (B, D) of texts that follow one another in one long row."""
        sizes_B = np.array([len(one) for one in ids])
        starts = np.concatenate([[0], np.cumsum(sizes_B)]).astype(np.int32)
        places = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes_B) + self.first
        arrays = (np.concatenate(ids), places, starts, np.repeat(np.arange(len(ids)), sizes_B))
        ids_T, places_T, starts_B, of_T = (
            torch.from_numpy(array).cuda(non_blocking=True) for array in arrays
        )
        self.cut = {"starts": starts_B, "longest": int(sizes_B.max())}
        hidden_TD = self.run(input_ids=ids_T[None], position_ids=places_T[None])[0][0]
        sum_BD = torch.zeros(len(ids), hidden_TD.shape[1], device="cuda")
        sum_BD.index_add_(0, of_T, hidden_TD.float())
        return torch.nn.functional.normalize(sum_BD, dim=-1)

    def sorted(self, budget: int, *, packed: bool = False) -> Embed:
        """Sorted by length, batches under a budget of padded tokens."""

        def embed(texts: Sequence[str]) -> Vectors:
            with torch.inference_mode():
                ids, waiting = self.ids(texts), []
                for places in plan([len(one) for one in ids], max_tokens=budget, max_rows=budget):
                    mine = [ids[place] for place in places]
                    done = self.packed(mine) if packed else self.padded(mine, len(mine[0]))
                    waiting.append((places, done))
                return gathered(len(texts), waiting)

        return embed

    def in_order(self, rows: int, width: int) -> Embed:
        """Batches in the order of the texts, padded to a fixed width."""

        def embed(texts: Sequence[str]) -> Vectors:
            with torch.inference_mode():
                ids, waiting = [one[:width] for one in self.ids(texts)], []
                for start in range(0, len(ids), rows):
                    mine = ids[start : start + rows]
                    waiting.append((range(start, start + len(mine)), self.padded(mine, width)))
                return gathered(len(texts), waiting)

        return embed


def gathered(count: int, waiting: Sequence[tuple[Any, Any]]) -> Vectors:
    """What all batches made, fetched at the end."""
    found = np.empty((count, waiting[0][1].shape[1]), np.float32)
    for places, vectors in waiting:
        found[np.asarray(places)] = vectors.cpu().numpy()
    return found


def torch_peers(folder: Path, width: int, *, compiled: bool) -> Iterator[tuple[str, Embed]]:
    plain = Plain(folder)
    for rows in (32, 256):
        yield f"torch fp16, padded to {width}, batch {rows}", plain.in_order(rows, width)
    for budget in BUDGETS:
        yield f"torch fp16, sorted, SDPA, budget {budget}", plain.sorted(budget)
    packed = Plain(folder, packed=True)
    for budget in BUDGETS:
        yield f"torch fp16, sorted, varlen, budget {budget}", packed.sorted(budget, packed=True)
    if compiled:
        made = Plain(folder, compiled=True)
        for budget in BUDGETS:
            yield f"torch fp16, sorted, compiled, budget {budget}", made.sorted(budget)


def ours(bundle: Path) -> Iterator[tuple[str, Embed]]:
    for precision, flights in (("fp32", (2,)), ("fp16", (1, 2, 4))):
        engine = Engine.open(bundle, precision=precision, device="cuda", side_by_side=True)
        for budget in BUDGETS[: 2 if precision == "fp16" else 1]:
            for count in flights:
                made = replace(engine, budget=Budget(budget), callers=count)
                yield (
                    f"ours {precision}, budget {budget}, {count} in flight",
                    lambda texts, made=made: made.embed(texts, prompt=""),
                )


def graphs(bundle: Path, texts: Sequence[str]) -> list[list[str]]:
    """Our graphs on prepared batches: seconds without tokenisation, and with one in flight."""
    rows_of = []
    for precision in ("fp32", "fp16"):
        engine = Engine.open(bundle, precision=precision, device="cuda")
        rows = encode(engine.encoder, "embed", list(texts))
        for budget in BUDGETS:
            feeds = [
                {"token_type_ids": np.zeros((1, 1), np.int64)}
                | pad([rows[i] for i in places], engine.encoder.pad_id)
                for places in plan([r.width for r in rows], max_tokens=budget, max_rows=budget)
            ]
            best = min(timed(lambda f=feeds, e=engine: alone(e, f)) for _ in range(3))
            real = sum(row.width for row in rows)
            rows_of.append([f"{precision}, budget {budget}", f"{real / best / 1e6:.2f}"])
    return rows_of


def alone(engine: Engine, feeds: Sequence[Any]) -> None:
    for one in feeds:
        engine.session.run(one, engine.outputs)


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(name: str, work: str, folder: Path, bundle: Path, options: Any) -> None:
    encoder = Encoder.load(bundle, max_length=LONGEST)
    texts = (
        list(dict.fromkeys(short_texts(options.data, 3 * options.texts)))[: options.texts]
        if work == "short"
        else full_windows(options.data, options.windows, encoder)
    )
    if work == "windows":  # the same few: a number makes each text one of its own
        texts = [f"{n} {text}"[: len(text)] for n, text in enumerate(texts)]
    widths = [row.width for row in encode(encoder, "embed", texts)]
    found = []
    peers = torch_peers(folder, PAD_TO[work], compiled=options.compile)
    for label, embed in (*ours(bundle), *peers):
        embed(texts)
        best, vectors = float("inf"), None
        for _ in range(options.rounds):
            start = time.perf_counter()
            vectors = embed(texts)
            best = min(best, time.perf_counter() - start)
        found.append((label, best, vectors))
        print(f"{time.strftime('%H:%M:%S')} {label}: {best:.3f} s", file=sys.stderr, flush=True)
    exact = found[0][2]
    cost = flops((BLOCKS[name][0], BLOCKS[name][1], BLOCKS[name][3]), widths)
    mine = min(seconds for label, seconds, _ in found if label.startswith("ours fp16"))
    rows = [
        [
            label,
            f"{len(texts) / seconds:,.0f}",
            f"{sum(widths) / seconds / 1e6:.2f}",
            f"{cost / seconds / 1e12:.0f}",
            f"{seconds / mine:.2f}",
            f"{float((vectors * exact).sum(axis=1).mean()):.5f}",
        ]
        for label, seconds, vectors in found
    ]
    print(
        f"\n### {name}, {work}: {len(texts)} texts of {np.mean(widths):.1f} tokens, "
        f"{torch.cuda.get_device_name()}\n"
    )
    head = ["", "texts/s", "M tokens/s", "TFLOP/s", "our best fp16 = 1", "cosine"]
    print(table(head, rows), flush=True)
    if options.graphs:
        print("\nGraphs on prepared batches, M tokens/s:\n")
        print(table(["", "M tokens/s"], graphs(bundle, texts)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a folder like e5-small-q4")
    parser.add_argument("--models", nargs="+", choices=["e5", "base"], default=["e5", "base"])
    parser.add_argument("--texts", type=int, default=20000)
    parser.add_argument("--windows", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="torch.compile too: a minute more")
    parser.add_argument("--graphs", action="store_true", help="our graphs alone, too")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench-gpu")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, CUDA {torch.version.cuda}")
    for name in options.models:
        folder = (
            options.model
            if name == "e5"
            else random_model(name, options.model, options.out / f"{name}-model")
        )
        flags = ("--precision", "fp32,fp16", "--layer", "last")
        bundle = export(folder, options.out / name, *flags)
        for work in ("short", "windows"):
            measure(name, work, folder, bundle, options)


if __name__ == "__main__":
    main()
