"""Stands in for `xlt` in tests of the engines: leaves what the verbs leave, at once.

The first argument is JSON: `log` gets a line when a stage starts and one when it ends, a training
takes `seconds`, a stage whose command has the word `fail` ends with exit code 1.
"""

import json
import sys
import time
from pathlib import Path

MANIFESTS = {
    "world": "world.json",
    "train": "run.json",
    "average": "run.json",
    "export": "one/xlt.json",
    "eval": "results.json",
}


def base_of(words):
    """The folder that a training begins from; "" where it is none."""
    model = words[words.index("--model") + 1] if "--model" in words else ""
    return model if "/" in model else ""


def main(settings, words):
    verb, out = words[0], Path(words[words.index("--out") + 1])
    stage = next(folder.name for folder in out.parents if folder.name.startswith(f"{verb}-"))

    def log(text):
        with open(settings["log"], "a") as stream:
            stream.write(f"{text} {stage}\n")

    log("start")
    if verb == "train" and (out / "run.json").is_file():
        return log("end")  # as `xlt train --resume` of a run that is whole
    if settings["fail"] in words:
        sys.exit("error: it is told to fail\nhint: do not")
    out.mkdir(parents=True, exist_ok=True)
    if verb in ("train", "average", "export"):
        (out / "model.safetensors").write_text("1")
    if verb == "train":
        time.sleep(settings["seconds"])
    read = words[1] if verb in ("average", "export", "eval") else base_of(words)
    if read:  # what it reads has to be there
        assert any(Path(read).rglob("model.safetensors")), read
    single = verb == "export" and out.name != "bundles"  # of a checkpoint: one bundle, out itself
    manifest = out / ("xlt.json" if single else MANIFESTS[verb])
    manifest.parent.mkdir(parents=True, exist_ok=True)
    folders = {"last": words[1], "target-dev oracle": words[1]}
    targets = {task: {"folders": folders} for task in ("xnli", "udpos")}
    manifest.write_text(json.dumps({"verb": verb, "targets": targets}))
    log("end")


main(json.loads(sys.argv[1]), sys.argv[2:])
