"""Who takes part in `eval_speed.py`: functions from texts to unit vectors, tokenisation included.

Each peer is offered several settings (batch sizes or budgets of padded tokens, precisions) and
keeps the one that is fastest on a part of the texts, so that nobody is compared at a weak one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.inference.batch import plan
from xlt.core.inference.engine import Engine

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]
LONGEST = 384
BATCHES = (8, 32)  # texts, of those who count texts
BUDGETS = (256, 512, 1024)  # padded tokens, of those who sort


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One line of the ladder.

    Attributes:
        name: what the table calls it.
        settings: name -> function; the fastest one runs.
    """

    name: str
    settings: Mapping[str, Embed]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model in all its forms.

    Attributes:
        name: e5, minilm or base.
        model: its Hugging Face folder.
        bundle, cut: exported whole, and up to the block that is used.
        threads: of everybody.
        pad_to: what the weakest peer pads to, 128 or 384.
        cache: where sentence-transformers' own ONNX file is kept.
    """

    name: str
    model: Path
    bundle: Path
    cut: Path
    threads: int
    pad_to: int
    cache: Path


def contestants(subject: Subject, wanted: Sequence[str]) -> Iterator[Contestant]:
    """All that are installed, the ladder first; who is absent is named by `absent`."""
    makers: dict[str, Callable[[Subject], Iterator[Contestant]]] = {
        "ours": ours,
        "torch": in_torch,
        "pipeline": pipeline,
        "st": sentence_transformers,
        "openvino": openvino,
    }
    for name, make in makers.items():
        if name in wanted:
            with contextlib.suppress(ImportError):
                yield from make(subject)


def ours(subject: Subject) -> Iterator[Contestant]:
    """Our engine: fp32, int8, and int8 cut at the block that is used.

    With several threads in both arrangements: all of them at one batch after the other, or a batch
    each, side by side, as `xlt eval` and `xlt mine` do it.
    """
    forms = (
        ("ours fp32", subject.bundle, "fp32"),
        ("ours int8", subject.bundle, "int8"),
        ("ours cut int8", subject.cut, "int8"),
    )
    for name, bundle, precision in forms:
        for beside in (False, True)[: subject.threads]:
            engine = Engine.open(
                bundle,
                precision=precision,
                device="cpu",
                threads=subject.threads,
                side_by_side=beside,
            )
            yield Contestant(
                name=f"{name}, side by side" if beside else name,
                settings={f"budget {engine.batch_tokens}": _ours(engine)},
            )


def _ours(engine: Engine) -> Embed:
    return lambda texts: engine.embed(texts, prompt="")


class Plain:
    """Mean pooling and scaling around a PyTorch encoder, as a user would write it."""

    def __init__(self, model: Any, tokenizer: Any, *, bf16: bool = False) -> None:
        import torch

        self.torch, self.model, self.tokenizer, self.bf16 = torch, model, tokenizer, bf16

    def pooled(self, batch: Any) -> Vectors:
        """Vectors (B, D) of a padded batch of input_ids and attention_mask (B, L)."""
        torch = self.torch
        with torch.inference_mode():
            hidden_BLD = self.model(**batch).last_hidden_state
            mask_BL1 = batch["attention_mask"].unsqueeze(-1).to(hidden_BLD.dtype)
            sum_BD = (hidden_BLD * mask_BL1).sum(1).float()
            found: Vectors = torch.nn.functional.normalize(sum_BD, dim=-1).numpy()
        return found

    def in_order(self, batch_size: int, **padding: Any) -> Embed:
        """Batches in the order of the texts, padded by the tokenizer."""

        def embed(texts: Sequence[str]) -> Vectors:
            parts = []
            for start in range(0, len(texts), batch_size):
                batch = self.tokenizer(
                    list(texts[start : start + batch_size]),
                    truncation=True,
                    return_tensors="pt",
                    **padding,
                )
                parts.append(self.pooled(dict(batch)))
            return np.concatenate(parts)

        return embed

    def sorted(self, budget: int) -> Embed:
        """Tokenised once, sorted by length, batches under a budget of padded tokens."""

        def embed(texts: Sequence[str]) -> Vectors:
            torch = self.torch
            ids = self.tokenizer(list(texts), truncation=True, max_length=LONGEST)["input_ids"]
            found: Vectors | None = None
            for places in plan([len(one) for one in ids], max_tokens=budget):
                width = len(ids[places[0]])
                ids_BL = torch.full((len(places), width), self.tokenizer.pad_token_id)
                mask_BL = torch.zeros_like(ids_BL)
                for row, place in enumerate(places):
                    ids_BL[row, : len(ids[place])] = torch.tensor(ids[place])
                    mask_BL[row, : len(ids[place])] = 1
                vectors = self.pooled({"input_ids": ids_BL, "attention_mask": mask_BL})
                found = np.empty((len(texts), vectors.shape[1]), np.float32) \
                    if found is None else found  # fmt: skip
                found[places] = vectors
            assert found is not None
            return found

        return embed


def in_torch(subject: Subject) -> Iterator[Contestant]:
    """PyTorch, from the first thing one writes to sorted batches in bf16."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from xlt.train.loop.products import with_fast_products

    torch.set_num_threads(subject.threads)
    tokenizer = AutoTokenizer.from_pretrained(subject.model)

    def loaded(**more: Any) -> Any:
        return AutoModel.from_pretrained(
            subject.model, attn_implementation="sdpa", add_pooling_layer=False, **more
        ).eval()

    plain = Plain(loaded(dtype=torch.float32), tokenizer)
    pad = {"padding": "max_length", "max_length": subject.pad_to}
    dynamic = {"padding": "longest", "max_length": LONGEST}
    yield Contestant(
        name=f"torch padded to {subject.pad_to}",
        settings={f"batch {n}": plain.in_order(n, **pad) for n in BATCHES},
    )
    yield Contestant(
        name="torch dynamic padding",
        settings={f"batch {n}": plain.in_order(n, **dynamic) for n in BATCHES},
    )
    yield Contestant(
        name="torch sorted fp32", settings={f"budget {n}": plain.sorted(n) for n in BUDGETS}
    )
    own = Plain(loaded(dtype=torch.float32), tokenizer)
    if with_fast_products(own.model):  # what users of PyTorch do not get unless they ask for it
        yield Contestant(
            name="torch sorted fp32, oneDNN products",
            settings={f"budget {n}": own.sorted(n) for n in BUDGETS},
        )
    if has_bf16():
        half = Plain(loaded(dtype=torch.bfloat16), tokenizer)
        yield Contestant(
            name="torch sorted bf16", settings={f"budget {n}": half.sorted(n) for n in BUDGETS}
        )


def flags() -> frozenset[str]:
    """What the processor can, as Linux names it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return frozenset(
        next((x.partition(":")[2] for x in lines if x.startswith("flags")), "").split()
    )


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 in hardware."""
    return bool(flags() & {"amx_bf16", "avx512_bf16"})


def pipeline(subject: Subject) -> Iterator[Contestant]:
    """The feature-extraction pipeline of transformers, mean pooled."""
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers import pipeline as made

    torch.set_num_threads(subject.threads)
    model = AutoModel.from_pretrained(
        subject.model, dtype=torch.float32, add_pooling_layer=False
    ).eval()
    run = made("feature-extraction", model=model,
               tokenizer=AutoTokenizer.from_pretrained(subject.model))  # fmt: skip
    run.tokenizer.model_max_length = LONGEST

    def of(batch_size: int) -> Embed:
        def embed(texts: Sequence[str]) -> Vectors:
            given = {"truncation": True, "max_length": LONGEST}
            found = []
            for text, hidden_1LD in zip(
                texts,
                run(list(texts), batch_size=batch_size, return_tensors=True,
                    tokenize_kwargs=given),
                strict=True,
            ):  # fmt: skip
                # padding comes back with the text, and only its length tells them apart
                n = len(run.tokenizer(text, **given)["input_ids"]) if batch_size > 1 else None
                found.append(hidden_1LD[0, :n].mean(dim=0).numpy())
            vec_ND = np.stack(found)
            unit_ND: Vectors = vec_ND / np.linalg.norm(vec_ND, axis=1, keepdims=True)
            return unit_ND

        return embed

    yield Contestant(
        name="transformers pipeline", settings={f"batch {n}": of(n) for n in (1, *BATCHES)}
    )


def sentence_transformers(subject: Subject) -> Iterator[Contestant]:
    """sentence-transformers, which sorts by length itself, on PyTorch and on ONNX Runtime."""
    import torch
    from sentence_transformers import SentenceTransformer, models

    torch.set_num_threads(subject.threads)

    def built(**more: Any) -> Any:
        encoder = models.Transformer(str(subject.model), max_seq_length=LONGEST, **more)
        pooling = models.Pooling(width_of(encoder), "mean")
        return SentenceTransformer(modules=[encoder, pooling, models.Normalize()], device="cpu")

    def of(model: Any) -> Mapping[str, Embed]:
        def at(batch_size: int) -> Embed:
            return lambda texts: np.asarray(
                model.encode(list(texts), batch_size=batch_size, show_progress_bar=False)
            )

        return {f"batch {n}": at(n) for n in BATCHES}

    yield Contestant(name="sentence-transformers torch", settings=of(built()))
    try:
        import onnxruntime
        import optimum.onnxruntime  # noqa: F401
    except ImportError:
        return
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = subject.threads
    folder = subject.cache / f"{subject.name}-st-onnx"
    given = {"provider": "CPUExecutionProvider"}
    if not (folder / "onnx/model.onnx").is_file():
        models.Transformer(
            str(subject.model), backend="onnx", model_kwargs={**given, "export": True}
        ).save(str(folder))
    args = {**given, "session_options": options, "export": False, "file_name": "onnx/model.onnx"}
    encoder = models.Transformer(
        str(folder), max_seq_length=LONGEST, backend="onnx", model_kwargs=args
    )
    pooling = models.Pooling(width_of(encoder), "mean")
    model = SentenceTransformer(modules=[encoder, pooling, models.Normalize()], device="cpu")
    yield Contestant(name="sentence-transformers onnx", settings=of(model))


def width_of(encoder: Any) -> int:
    """Numbers of a vector; the method has another name in newer versions."""
    newer = getattr(encoder, "get_embedding_dimension", None)
    return int(newer() if newer else encoder.get_word_embedding_dimension())


def openvino(subject: Subject) -> Iterator[Contestant]:
    """OpenVINO on our fp32 graph, sorted, in the precision that is fastest."""
    import openvino as ov
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(subject.bundle / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    core = ov.Core()
    settings = {}
    for precision in ("f32", "bf16") if has_bf16() else ("f32",):
        compiled = core.compile_model(
            str(subject.bundle / "onnx/model.onnx"),
            "CPU",
            {"INFERENCE_NUM_THREADS": subject.threads, "INFERENCE_PRECISION_HINT": precision},
        )
        for budget in BUDGETS:
            settings[f"{precision}, budget {budget}"] = _sorted_openvino(
                compiled, tokenizer, budget
            )
    yield Contestant(name="OpenVINO sorted", settings=settings)


def _sorted_openvino(compiled: Any, tokenizer: Any, budget: int) -> Embed:
    names = {port.any_name for port in compiled.inputs}

    def embed(texts: Sequence[str]) -> Vectors:
        ids = [one.ids for one in tokenizer.encode_batch_fast(list(texts))]
        found: dict[int, Any] = {}
        for places in plan([len(one) for one in ids], max_tokens=budget):
            width = len(ids[places[0]])
            ids_BL = np.ones((len(places), width), np.int64)
            mask_BL = np.zeros_like(ids_BL)
            for row, place in enumerate(places):
                ids_BL[row, : len(ids[place])] = ids[place]
                mask_BL[row, : len(ids[place])] = 1
            feeds = {"input_ids": ids_BL, "attention_mask": mask_BL,
                     "token_type_ids": np.zeros_like(ids_BL)}  # fmt: skip
            hidden_BLD = compiled({n: a for n, a in feeds.items() if n in names})[
                "last_hidden_state"
            ]
            for row, place in enumerate(places):
                vector = hidden_BLD[row, : len(ids[place])].mean(axis=0)
                found[place] = vector / np.linalg.norm(vector)
        return np.stack([found[i] for i in range(len(texts))])

    return embed


def fastest(contestant: Contestant, texts: Sequence[str]) -> tuple[str, Embed]:
    """The setting that takes the least CPU time for some texts, and its function."""
    if len(contestant.settings) == 1:
        return next(iter(contestant.settings.items()))
    spent = {}
    for name, embed in contestant.settings.items():
        embed(texts[: max(2, len(texts) // 8)])
        start = time.process_time()
        embed(texts)
        spent[name] = time.process_time() - start
    best = min(spent, key=spent.__getitem__)
    return best, contestant.settings[best]
