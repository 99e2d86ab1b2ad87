"""What former calls took is known to the next one, for its time left."""

import json

import pytest

from xlt.evalsuite import evaluate
from xlt.evalsuite.compute.measured import Measured


def test_seconds_a_byte_of_each_task_are_known_to_the_next_call(bundles, root, tmp_path):
    out = tmp_path / "out"
    assert Measured(out).costs() == {}
    evaluate(bundles, root, tasks="xnli,tatoeba", langs="de,sw", out=out, threads=1)
    cells = json.loads((out / "measured.json").read_text())["cells"]
    files = [root / f"xnli/test-{lang}.tsv" for lang in ("de", "sw")]
    sizes = [path.stat().st_size for path in files]
    assert [cells[f"xnli/test-{lang}"]["bytes"] for lang in ("de", "sw")] == sizes
    seconds = sum(cells[f"xnli/test-{lang}"]["seconds"] for lang in ("de", "sw"))
    costs = Measured(out).costs()
    assert costs["xnli"] == pytest.approx(seconds / sum(sizes))
    assert set(costs) == {"xnli", "tatoeba"}


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"cells": {"xnli/test-de": 3, "x": {"seconds": "1"}}}']
)
def test_a_damaged_file_of_measures_is_no_hindrance(tmp_path, text):
    (tmp_path / "measured.json").write_text(text)
    assert Measured(tmp_path).costs() == {}
