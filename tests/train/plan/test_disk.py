"""What the plan says of disk where --model is an id of the hub."""

import json
import shutil
from types import SimpleNamespace

import pytest

from xlt.train.plan import disk
from xlt.train.plan.base import Base
from xlt.train.plan.disk import disk_needed, disk_words

HUB = Base(name="org/model", source="org/model", compact=False)


@pytest.fixture(autouse=True)
def nothing_known():
    disk.hub_bytes.cache_clear()
    yield
    disk.hub_bytes.cache_clear()


def test_a_cached_model_of_the_hub_is_weighed(models_of, tmp_path, monkeypatch):
    snapshot = tmp_path / "snapshots/abc"
    shutil.copytree(models_of("bert"), snapshot)
    monkeypatch.setattr("transformers.utils.cached_file", lambda *given, **how: snapshot / given[1])
    size = (snapshot / "model.safetensors").stat().st_size
    assert disk_needed(HUB, [])["final"] == size
    disk.hub_bytes.cache_clear()
    config = json.loads((snapshot / "config.json").read_text())
    (snapshot / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    assert disk_needed(HUB, [])["final"] == 2 * size, "weights in 16 bits are trained in 32"


@pytest.fixture
def hub(monkeypatch):
    """The hub answers with these facts of a model; nothing is cached."""

    def answers(**facts):
        class Api:
            def model_info(self, source, files_metadata):
                assert source == "org/model" and files_metadata
                if not facts:
                    raise OSError("no such model")
                return SimpleNamespace(**{"safetensors": None, "siblings": None, **facts})

        monkeypatch.setattr("transformers.utils.cached_file", lambda *given, **how: None)
        monkeypatch.setattr(disk, "prepare_hub", lambda: "")
        monkeypatch.setattr("huggingface_hub.HfApi", Api)

    return answers


def file(name, size):
    return SimpleNamespace(rfilename=name, size=size)


def test_a_model_that_is_not_cached_is_weighed_by_the_hubs_list(hub):
    hub(
        siblings=[
            file("onnx/model.safetensors", 9), file("pytorch_model.bin", 70),
            file("model-1-of-2.safetensors", 40), file("model-2-of-2.safetensors", 20),
        ]
    )  # fmt: skip
    assert disk_needed(HUB, [])["final"] == 60


def test_a_model_whose_parameters_are_counted_is_weighed_in_32_bits(hub):
    hub(safetensors=SimpleNamespace(total=25), siblings=[file("model.safetensors", 50)])
    assert disk_needed(HUB, [])["final"] == 100


@pytest.mark.parametrize("reachable", [True, False])
def test_a_size_that_nobody_tells_is_said_to_be_unknown(hub, monkeypatch, reachable, tmp_path):
    hub()
    if not reachable:
        monkeypatch.setattr(disk, "prepare_hub", lambda: "no route to host")
        monkeypatch.setattr("huggingface_hub.HfApi", None)
    assert disk_needed(HUB, []) is None
    assert "size is unknown" in disk_words(None, tmp_path)
