"""Stands in for `xlt` in tests of the engines: leaves what the verbs leave, at once.

FAKE_LOG gets a line when a stage starts and one when it ends; FAKE_SECONDS is how long a training
takes; a stage whose command has the word FAKE_FAIL ends with exit code 3.
"""

import json
import os
import sys
import time
from pathlib import Path

MANIFESTS = {
    "world": "world.json",
    "train": "run.json",
    "export": "one/xlt.json",
    "eval": "results.json",
}


def main(words):
    verb, out = words[0], Path(words[words.index("--out") + 1])
    stage = out.parent.name

    def log(text):
        with open(os.environ["FAKE_LOG"], "a") as stream:
            stream.write(f"{text} {stage}\n")

    log("start")
    if any(word and word in words for word in os.environ.get("FAKE_FAIL", "").split()):
        sys.exit("error: it is told to fail\nhint: do not")
    out.mkdir(parents=True, exist_ok=True)
    if verb == "train":
        (out / "half").write_text("")
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
    manifest = out / MANIFESTS[verb]
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"verb": verb, "words": words[:1]}))
    log("end")


main(sys.argv[1:])
