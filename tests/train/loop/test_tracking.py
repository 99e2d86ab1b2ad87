"""`--tensorboard`: what the log has, as scalars that TensorBoard reads."""

import json
import sys
from collections import defaultdict

import pytest

from xlt.core.errors import MissingExtra
from xlt.train import fit

pytestmark = pytest.mark.usefixtures("silent")


def scalars(folder):
    """tag -> [(step, value)] of the event files below a folder, in the order written."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    found = defaultdict(list)
    for file in sorted(folder.rglob("events*")):
        data, at = file.read_bytes(), 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 8], "little")
            body = data[at + 12 : at + 12 + size]
            crc = int.from_bytes(data[at + 12 + size : at + 16 + size], "little")
            assert crc == masked_crc32c(body)
            event = Event.FromString(body)
            for value in event.summary.value:
                found[value.tag].append((event.step, value.simple_value))
            at += 16 + size
    return found


def test_losses_rates_and_dev_scores_reach_tensorboard(config, root, models_of, tmp_path):
    pytest.importorskip("tensorboardX")
    board, out = tmp_path / "board", tmp_path / "run"
    given = {"intermediate": ("mnli",), "target": ("udpos",), "eval_every": 6}
    fit(config(root, models_of("bert"), out, tensorboard=board, **given))
    found = scalars(board / "run")
    expected = defaultdict(list)
    for line in map(json.loads, (out / "log.jsonl").read_text().splitlines()):
        named = {k: line[k] for k in ("loss", "lr") if k in line}
        named |= {f"dev/{k}": v for k, v in line.get("dev", {}).items()}
        for name, value in named.items():
            expected[f"{line['phase']}/{name}"].append((line["step"], pytest.approx(value)))
    assert "udpos/loss" in expected and "1-mnli/dev/accuracy" in expected
    assert found == expected
    fit(config(root, models_of("bert"), tmp_path / "plain", **given))
    name = "targets/udpos/model.safetensors"
    assert (out / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert (out / "run.json").read_bytes() == (tmp_path / "plain/run.json").read_bytes()


@pytest.mark.parametrize("absent", ["accelerate", "writer"])
def test_without_the_extra_nothing_is_begun(config, root, models_of, tmp_path, monkeypatch, absent):
    gone = ["accelerate.tracking"] if absent == "accelerate" else ["tensorboard", "tensorboardX"]
    for name in gone:
        monkeypatch.setitem(sys.modules, name, None)
    if absent == "writer":
        monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    wanted = config(root, models_of("bert"), tmp_path / "run", tensorboard=tmp_path / "board")
    with pytest.raises(MissingExtra) as caught:
        fit(wanted)
    assert caught.value.exit_code == 6 and "tensorboard" in caught.value.hint
    assert not (tmp_path / "run").exists()
