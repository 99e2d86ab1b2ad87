"""Training speed beside transformers.Trainer: real tokens per CPU second, one run, in turns.

    python benchmarks/train_speed.py [--data ../shared/data] [--encoder DIR] [--rounds 3]

Workloads: UD-POS sentences and XNLI pairs (English). Models: the encoder given (a Hugging Face
folder) and a random one of 12 x 768 with the same tokenizer. Each measurement is a process of its
own with one thread, timed by its processor time inside the training loop: loading, dev scores and
saving are left out on both sides. Trainer groups by length, the fastest of its own settings, with
its default optimizer (fused AdamW). `--whole` adds ours with the whole table of embeddings.

`--device cuda` trains both in bf16 on a GPU, four epochs, and counts wall seconds instead; the
wider model then sees as many examples as the other.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORK = {  # the batches of the recipe width-384
    "udpos": {"task": "udpos", "max_length": 128, "batch": 32},
    "xnli": {"task": "xnli", "max_length": 128, "batch": 16},
}
EPOCHS = {"cpu": 1.0, "cuda": 4.0}
KIND = {"cpu": "CPU second", "cuda": "second"}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=1500)
    parser.add_argument("--wide-examples", type=int, default=200)
    parser.add_argument("--only", choices=["encoder", "wide"])
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--child", nargs=6, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(*args.child)
        return
    if args.device == "cuda":
        args.wide_examples = args.examples
    with tempfile.TemporaryDirectory() as scratch:
        models = {"encoder": (args.encoder, args.examples)}
        if args.only != "encoder":
            models["12 x 768"] = (wide(args.encoder, Path(scratch) / "wide"), args.wide_examples)
        if args.only == "wide":
            del models["encoder"]
        sides = ["xlt", "trainer", *(["xlt-whole"] if args.whole else [])]
        print(cpu_name() if args.device == "cpu" else gpu_name())
        for label, (folder, count) in models.items():
            for work in WORK:
                measure(label, work, folder, count, sides, args)


def measure(label, work, folder, count, sides, args):
    found = {side: [] for side in sides}
    memory = {}
    for _ in range(args.rounds):
        for side in sides:
            line = run(side, work, folder, count, args)
            found[side].append(line["tokens"] / line["seconds"])
            memory[side] = line["peak_megabytes"]
            padding = f", padding {100 * line['padding']:.0f} %" if "padding" in line else ""
            print(f"  {label} {work} {side}: {found[side][-1]:.0f} tokens/s{padding}", flush=True)
    ours, theirs = (statistics.median(found[side]) for side in ("xlt", "trainer"))
    ratios = [a / b for a, b in zip(found["xlt"], found["trainer"], strict=True)]
    print(
        f"{label} {work}: xlt {ours:.0f}, Trainer {theirs:.0f} real tokens per "
        f"{KIND[args.device]}; "
        f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); "
        f"memory {memory['xlt']} and {memory['trainer']} MB"
    )
    if "xlt-whole" in found:
        whole = statistics.median(found["xlt-whole"])
        share = memory["xlt"] / memory["xlt-whole"]
        print(
            f"  whole table: {whole:.0f}; the cut is {ours / whole:.2f} times, {share:.0%} memory"
        )


def run(side, work, folder, count, args):
    done = subprocess.run(
        [sys.executable, __file__, "--encoder", str(folder), "--child", side, work, str(folder),
         str(count), str(args.data), args.device],
        capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE",
             "TOKENIZERS_PARALLELISM": "false"},
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def child(side, work, folder, count, data, device):
    import torch

    torch.set_num_threads(1)
    task, examples = examples_of(work, Path(data), int(count))
    function = trainer if side == "trainer" else ours
    how = WORK[work]
    length, batch = how["max_length"], how["batch"]
    print(json.dumps(function(side, task, examples, Path(folder), length, batch, device)))


def examples_of(work, data, count):
    from xlt.core.tasks.table import TASKS
    from xlt.data import DataRoot

    root = DataRoot(data)
    task = TASKS[WORK[work]["task"]]
    split = "train" if work == "udpos" else "dev"
    return task, root.read(task, "en", split).examples[:count]


def ours(side, task, examples, folder, max_length, batch, device):
    """Epochs through `xlt train`'s own phase, without dev scores."""
    from types import SimpleNamespace

    import torch

    from xlt.core.artifacts.runs import Run
    from xlt.train.finetune import phase as phases
    from xlt.train.plan.hyper import Hyper
    from xlt.train.plan.phases import Part, Phase

    if side == "xlt-whole":
        phases.cut_vocabulary = lambda *_: None
    hyper = Hyper(lr=3e-4, epochs=EPOCHS[device], batch_size=batch, max_length=max_length)
    out = Path(tempfile.mkdtemp())
    run = Run.create(out / "run", {}, force=True, resume=False)
    part = Part(task=task, hyper=hyper, trains=(SimpleNamespace(examples=examples),), dev=None)
    phase = Phase(
        name="speed", folder="targets/speed", parts=(part,), serves=(task.name,), hyper=hyper
    )
    plan = SimpleNamespace(
        seed=1, bf16=device == "cuda", save_every=None, part_tokens=None,
        gradient_checkpointing=False, attention="sdpa", keep=0,
    )  # fmt: skip
    phases.train_phase(plan, phase, folder, run, torch.device(device))
    run.close()
    found = json.loads((out / "run" / "measured.json").read_text())["speed"]
    shutil.rmtree(out)
    return {
        "tokens": found["tokens"],
        "seconds": found["training_cpu_seconds" if device == "cpu" else "training_seconds"],
        "padding": found["padding"],
        "peak_megabytes": found["peak_megabytes"],
    }


def trainer(_, task, examples, folder, max_length, batch, device):
    """The same rows and labels through transformers.Trainer, grouped by length."""
    import numpy as np
    import torch
    import transformers

    from xlt.core.encode.encoder import Encoder
    from xlt.train.finetune.kinds import encode_labelled
    from xlt.train.loop.meter import peak_megabytes
    from xlt.train.models import fresh_head

    encoder = Encoder.load(folder, max_length=max_length)
    data = encode_labelled(encoder, task, examples)
    model = fresh_head(folder, task, 1, None)
    rows = []
    for row, target in zip(data.rows, data.targets, strict=True):
        labels = np.full(len(row.ids), -100) if row.words is not None else target
        if row.words is not None:
            labels[: len(target)] = target
        rows.append({"input_ids": row.ids.tolist(), "labels": labels.tolist()})
    tagging = data.rows[0].words is not None

    def collate(batch):
        width = max(len(row["input_ids"]) for row in batch)
        ids = torch.full((len(batch), width), encoder.pad_id)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        labels = torch.full((len(batch), width), -100)
        for i, row in enumerate(batch):
            n = len(row["input_ids"])
            ids[i, :n], mask[i, :n] = torch.tensor(row["input_ids"]), 1
            if tagging:
                labels[i, :n] = torch.tensor(row["labels"])
        if not tagging:
            labels = torch.tensor([row["labels"] for row in batch])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    now = time.process_time if device == "cpu" else time.monotonic

    class Clock(transformers.TrainerCallback):
        begun = ended = 0.0

        def on_train_begin(self, *_, **__):
            self.begun = now()

        def on_train_end(self, *_, **__):
            if device == "cuda":
                torch.cuda.synchronize()
            self.ended = now()

    clock, out = Clock(), tempfile.mkdtemp()
    known = transformers.TrainingArguments.__dataclass_fields__
    sorting = (  # transformers 4, 5
        {"group_by_length": True}
        if "group_by_length" in known
        else {"train_sampling_strategy": "group_by_length"}
    )
    settings = transformers.TrainingArguments(
        output_dir=out, per_device_train_batch_size=batch, num_train_epochs=EPOCHS[device],
        learning_rate=3e-4, save_strategy="no", logging_strategy="no", report_to=[],
        disable_tqdm=True, use_cpu=device == "cpu", bf16=device == "cuda", seed=1,
        dataloader_num_workers=0, **sorting,
    )  # fmt: skip
    transformers.Trainer(
        model=model, args=settings, train_dataset=rows, data_collator=collate, callbacks=[clock]
    ).train()
    shutil.rmtree(out)
    return {
        "tokens": int(data.lengths.sum() * EPOCHS[device]),
        "seconds": clock.ended - clock.begun,
        "peak_megabytes": peak_megabytes(),
    }


def wide(encoder, folder):
    """A random encoder of 12 x 768 with the tokenizer and the vocabulary of another."""
    import torch
    from transformers import AutoConfig, AutoModel

    shutil.copytree(
        encoder, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.bin", "onnx")
    )
    config = AutoConfig.from_pretrained(folder)
    config.hidden_size, config.intermediate_size, config.num_attention_heads = 768, 3072, 12
    config.num_hidden_layers = 12
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def gpu_name():
    import torch

    return f"{torch.cuda.get_device_name()}, bf16, torch {torch.__version__}"


def cpu_name():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "?")
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    known = [flag for flag in ("avx2", "avx512_vnni", "avx512_bf16", "amx_tile") if flag in flags]
    return f"{name} ({' '.join(known)}), one thread"


if __name__ == "__main__":
    main()
