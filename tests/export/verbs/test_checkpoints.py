"""`xlt eval`, `mine`, `serve` and `xlt.open` take a checkpoint: exported once, in a cache."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import xlt
from xlt.core.artifacts import ready, verified
from xlt.core.errors import MissingExtra, ModelError, UsageError
from xlt.core.files import sha256_file
from xlt.export import export

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TEXT = [("The shop is closed.", "It is open.")]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def graphs(checkpoints, tmp_path_factory):
    """graphs(kind) -> a folder with a graph and no weights: exported without torch, so quickly."""
    made = {}

    def get(kind="pair"):
        if kind not in made:
            place = tmp_path_factory.mktemp("graphs")
            task = "xquad" if kind == "span" else None
            export(checkpoints(kind=kind), out=place / f"tiny-{kind}", task=task)
            (place / f"tiny-{kind}" / "xlt.json").unlink()
            made[kind] = place / f"tiny-{kind}"
        return made[kind]

    return get


@pytest.fixture
def hub(graphs, tmp_path, monkeypatch):
    """The hub's cache with one model in it, as the hub's library leaves it."""
    home = tmp_path / "home"
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    model = home / "hub" / "models--somebody--tiny-nli"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    shutil.copytree(graphs(), model / "snapshots" / COMMIT)
    return model


def count_runs(monkeypatch):
    """The command lines of the processes that are started."""
    seen, run = [], subprocess.run

    def counted(command, **settings):
        seen.append(command[3:])
        return run(command, **settings)

    monkeypatch.setattr(ready.subprocess, "run", counted)
    return seen


def test_a_checkpoint_folder_is_exported_once_and_again_when_it_changes(
    graphs, tmp_path, cache, monkeypatch
):
    folder = tmp_path / "my-nli"
    shutil.copytree(graphs(), folder)
    seen = count_runs(monkeypatch)
    first = xlt.open(folder)
    assert (first.bundle.name, first.task.name) == ("my-nli", "xnli")
    assert first.bundle.path.is_relative_to(cache)
    [made] = export(folder, out=tmp_path / "plain" / "my-nli")
    assert repr(first.predict(TEXT)) == repr(xlt.open(made.path).predict(TEXT))
    assert xlt.open(str(folder)).bundle.path == first.bundle.path
    assert len(seen) == 1
    (folder / "notes.md").write_text("no part of the model")
    assert xlt.open(folder).bundle.path == first.bundle.path
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "note": 1}))
    assert xlt.open(folder).bundle.path != first.bundle.path
    assert len(seen) == 2


def test_a_checkpoint_is_read_whole_once_and_again_only_when_it_changes(
    graphs, tmp_path, cache, monkeypatch
):
    """Every call read all of its weights to find its export in the cache."""
    real, seen = time.time_ns, []
    folder = tmp_path / "my-nli"
    shutil.copytree(graphs(), folder)

    def hashed(path):
        seen.append(path)
        return sha256_file(path)

    monkeypatch.setattr(verified, "sha256_file", hashed)
    # new files count as settled: the clock stands ten seconds ahead
    monkeypatch.setattr(verified.time, "time_ns", lambda: real() + 10_000_000_000)
    [first] = ready.find_models(folder)
    assert folder / "onnx/model.onnx" in seen
    seen.clear()
    assert ready.find_models(folder) == [first]
    assert not seen
    settings = folder / "special_tokens_map.json"
    settings.write_text(settings.read_text() + " ")
    assert ready.find_models(folder) != [first]
    assert seen == [settings]


def test_the_process_that_asks_loads_no_torch(checkpoints, cache):
    folder = checkpoints(kind="embed")
    code = (
        "import sys, xlt\n"
        "engine = xlt.open(sys.argv[1])\n"
        "assert not {'torch', 'transformers', 'optimum'} & set(sys.modules)\n"
        "print(engine.encode('a ferry').shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(1, 32)\n"
    assert "exporting it once" in done.stderr


def test_hf_names_a_model_of_the_hub_s_cache(hub, cache, monkeypatch):
    seen = count_runs(monkeypatch)
    engine = xlt.open("hf:somebody/tiny-nli")
    assert engine.bundle.name == "tiny-nli"
    assert engine.bundle.manifest["lineage"]["base_model"] == "somebody/tiny-nli"
    assert engine.bundle.manifest["lineage"]["revision"] == COMMIT
    xlt.open(Path("hf:somebody/tiny-nli"))
    assert len(seen) == 1


def test_a_path_that_exists_comes_before_the_hub(hub, cache, tmp_path, monkeypatch, graphs):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(graphs("tag"), tmp_path / "hf:somebody" / "tiny-nli")
    assert xlt.open("hf:somebody/tiny-nli").task.name == "udpos"


def test_a_bare_name_is_never_a_download(hub, cache, monkeypatch):
    seen = count_runs(monkeypatch)
    with pytest.raises(ModelError, match="somebody/tiny-nli: no such bundle or run"):
        xlt.open("somebody/tiny-nli")
    for name in ("hf:tiny-nli", "hf:../x", "hf:a/b/c", "hf:"):
        with pytest.raises(ModelError, match="not a model of the hub"):
            xlt.open(name)
    assert seen == []


def test_what_export_says_comes_through_with_its_exit_code(graphs, cache, tmp_path):
    folder = graphs("span")
    with pytest.raises(UsageError, match="does not say which task of kind span") as caught:
        xlt.open(folder)
    assert "add --task" in caught.value.hint
    assert xlt.open(folder, task="xquad").bundle.answers == ("xquad", "mlqa")
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "onnx/model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot load it"):
        xlt.open(broken, task="xquad")
    assert not list((cache / "bundles").glob("*/broken"))


def test_without_the_extra_it_is_exit_6(checkpoints, cache, tmp_path, run_xlt):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "torch.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
    )
    path = os.pathsep.join([str(blocked), os.environ.get("PYTHONPATH", "")])
    done = run_xlt(
        "eval", checkpoints(), "--data", tmp_path, env={"PYTHONPATH": path, "XLT_CACHE": str(cache)}
    )
    assert done.returncode == MissingExtra.exit_code, done.stderr
    assert "'torch' is not installed" in done.stderr
    assert "[export]" in done.stderr


def test_eval_and_mine_take_a_checkpoint(graphs, cache, tmp_path, tiny_world, run_xlt):
    env = {"XLT_CACHE": str(cache)}
    done = run_xlt("eval", graphs("span"), "--task", "xquad", "--tasks", "xquad",
                   "--langs", "en", "--data", tiny_world, "--out", "res", env=env)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "xquad" in done.stdout
    (tmp_path / "a.txt").write_text("the ferry is late\nthe shop is closed\n")
    done = run_xlt("mine", "--model", graphs("embed"), "a.txt", "a.txt", "--out",
                   "pairs.tsv", env=env)  # fmt: skip
    assert done.returncode == 0, done.stderr
