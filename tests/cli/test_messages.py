"""What a user is told: all mistakes at once, no path is our bug, a dead hub within seconds."""

import http.server
import json
import socket
import threading
import time

import pytest

from xlt.core.artifacts.bundle import write_manifest
from xlt.core.artifacts.hub import prepare_hub
from xlt.core.errors import DataError, Mistakes, ModelError, UsageError


@pytest.fixture(scope="module")
def dead_hub():
    """An address that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def silent_hub():
    """An address where connections are accepted and nothing is ever said."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def hub(address):
    return {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0",
            "HF_ENDPOINT": address, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}  # fmt: skip


def two_lines(done):
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint: ")
    return lines[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("world", "--size", "tiny", "--out", "PATH"),
        ("demo", "--size", "tiny", "--out", "PATH"),
        ("data", "check", "--data", "PATH"),
        ("data", "fetch", "--tasks", "xnli", "--hub", ".", "--data", "PATH"),
        ("train", "--model", "compact", "--data", "ROOT", "--target", "udpos", "--out", "PATH"),
        ("train", "--model", "PATH", "--data", "ROOT", "--target", "udpos"),
        ("export", "PATH", "--out", "b"),
        ("eval", "PATH", "--data", "ROOT"),
        ("eval", "BUNDLE", "--data", "ROOT", "--tasks", "tatoeba", "--out", "PATH"),
        ("eval", "BUNDLE", "--data", "ROOT", "--against", "PATH"),
        ("score", "--predictions", "PATH", "--labels", "PATH"),
        ("serve", "PATH"),
        ("serve", "BUNDLE", "--api-key-file", "PATH"),
        ("serve", "BUNDLE", "--port", "0", "--tls-cert", "PATH"),
        ("serve", "BUNDLE", "--uds", "PATH"),
        ("langs", "--data", "PATH"),
    ],
    ids=lambda words: " ".join(words[:1] + tuple(w for w in words if w.startswith("--"))),
)
def test_a_path_that_cannot_be_read_or_written_is_never_a_bug_of_ours(
    run_xlt, tiny_world, embedder, arguments
):
    path = ("/proc/x", "/dev/null/x")[len(arguments) % 2]
    places = {"PATH": path, "ROOT": str(tiny_world), "BUNDLE": str(embedder)}
    done = run_xlt(*(places.get(word, word) for word in arguments))
    assert done.returncode in {2, 3, 4}, (done.returncode, done.stderr)
    assert "bug of xlt" not in done.stderr
    lines = done.stderr.splitlines()
    assert lines[-2].startswith("error: ")
    assert path in lines[-2]
    assert lines[-1].startswith("hint: ")


@pytest.fixture(scope="session")
def embedder(tmp_path_factory):
    """A bundle with a manifest and no real model: enough to be looked at."""
    from xlt.core.tasks.table import TASKS

    folder = tmp_path_factory.mktemp("bundles") / "encoder"
    (folder / "onnx").mkdir(parents=True)
    for name in ("onnx/model.onnx", "tokenizer.json"):
        (folder / name).write_text("{}")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    variants = {"fp32": {"file": "onnx/model.onnx", "files": ["onnx/model.onnx"]}}
    write_manifest(folder, {
        "name": "encoder", "task": TASKS["tatoeba"].to_json(), "answers": ["tatoeba"],
        "max_length": 64, "pooling": "mean", "variants": variants,
    })  # fmt: skip
    return folder


def test_several_mistakes_are_one_error_of_the_first_usage_error():
    mistakes = Mistakes()
    mistakes.tell()
    with mistakes:
        raise ModelError("no model", "find one")
    with pytest.raises(ModelError, match="no model"):
        mistakes.tell()
    with mistakes:
        raise UsageError.all_of(["one flag", "another flag"], "see --help")
    with mistakes:
        raise DataError("no data", "find some")
    with pytest.raises(UsageError) as caught:
        mistakes.tell()
    assert caught.value.message == "4 mistakes: no model; one flag; another flag; no data"
    assert caught.value.hint == "see --help"


def test_other_errors_pass_through_the_collector():
    with pytest.raises(ZeroDivisionError), Mistakes():
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "--model", "./nowhere", "--data", "none", "--lr", "5", "--train-split", "y"),
         ["4 mistakes", "--lr 5", "./nowhere: no such folder", "data root none", "--train-split"]),
        (("train", "--model", "./nowhere", "--data", "ROOT", "--target", "udpso", "--lr", "5"),
         ["3 mistakes", "--lr 5", "./nowhere", "udpso"]),
        (("train", "--lr", "a", "--seed", "b", "--data", "none", "--nonsense"),
         ["4 mistakes", "--nonsense", "'--lr'", "'--seed'", "'--model'"]),
        (("export", "./nowhere", "--precision", "int4", "--device", "gpu", "--data", "none"),
         ["4 mistakes", "int4", "gpu", "./nowhere", "data root none"]),
        (("eval", "./nowhere", "--data", "none", "--device", "gpu"),
         ["3 mistakes", "nowhere", "data root none", "gpu"]),
        (("serve", "./nowhere", "--device", "gpu", "--root-path", "x", "--repository", "none"),
         ["4 mistakes", "nowhere", "gpu", "--root-path", "--repository"]),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_truly_all_mistakes_are_told_at_once(run_xlt, tiny_world, arguments, words):
    done = run_xlt(*(str(tiny_world) if word == "ROOT" else word for word in arguments))
    assert done.returncode in {2, 4}
    message = two_lines(done)
    assert all(word in message for word in words), message


def test_a_hub_that_answers_anything_is_there_and_one_that_does_not_is_named(
    monkeypatch, dead_hub, silent_hub
):
    for name, value in hub("").items():
        monkeypatch.setenv(name, value)

    class Refuses(http.server.BaseHTTPRequestHandler):
        code = 401

        def do_HEAD(self):
            self.send_error(self.code)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        assert prepare_hub() == ""
        Refuses.code = 503
        assert "503" in prepare_hub()
        server.shutdown()
    for address in (dead_hub, silent_hub):
        monkeypatch.setenv("HF_ENDPOINT", address)
        assert address in prepare_hub(seconds=0.2)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "nobody/nothing", "--out", "b"),
        ("data", "fetch", "--data", "root", "--tasks", "xnli"),
        ("train", "--model", "nobody/nothing", "--data", "ROOT", "--target", "none",
         "--intermediate", "mnli", "--dry-run"),
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_an_offline_hub_is_two_lines_without_the_libraries_retries(
    run_xlt, tiny_world, dead_hub, arguments
):
    """Its libraries tried five times with pauses up to 8 s and wrote about each: 33 s."""
    words = [str(tiny_world) if word == "ROOT" else word for word in arguments]
    done = run_xlt(*words, env=hub(dead_hub))
    assert done.returncode in {3, 4}
    assert f"{dead_hub} cannot be reached" in two_lines(done)
    assert "Retrying" not in done.stderr


def test_dry_run_looks_at_the_device_and_the_model(run_xlt, tiny_world, tmp_path):
    common = ("--data", str(tiny_world), "--target", "udpos", "--dry-run")
    done = run_xlt("train", "--model", "compact", *common, "--device", "cuda:63")
    assert done.returncode == 4
    assert "cuda:63" in two_lines(done)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text('{"model_type": "bert"}')
    done = run_xlt("train", "--model", "empty", *common)
    assert done.returncode == 4
    assert "holds no weights" in two_lines(done)
    assert not (tmp_path / "xlt-run").exists()


def test_eval_and_serve_look_at_the_device_before_any_work(run_xlt, tiny_world, embedder):
    done = run_xlt("serve", str(embedder), "--device", "cuda:63", "--port", "0")
    assert done.returncode == 4
    assert "serving" not in done.stdout
    assert "cuda:63" in two_lines(done)
    arguments = ("eval", str(embedder), "--data", str(tiny_world), "--tasks", "tatoeba")
    done = run_xlt(*arguments, "--device", "cuda:63", "--dry-run")
    assert done.returncode == 4
    assert "cuda:63" in two_lines(done)


def test_a_target_that_nothing_trains_says_so(run_xlt, tiny_world):
    done = run_xlt("train", "--model", "compact", "--data", str(tiny_world), "--target", "tatoeba")
    assert done.returncode == 2
    assert "--target tatoeba: nothing trains it" in two_lines(done)


def test_precision_that_does_not_exist_hints_at_what_does(run_xlt, tiny_world, embedder):
    for arguments in (
        ("export", str(embedder), "--out", "b", "--precision", "int4"),
        ("eval", str(embedder), "--data", str(tiny_world), "--precision", "int8"),
        ("serve", str(embedder), "--precision", "int8"),
    ):
        done = run_xlt(*arguments)
        assert "int8" in done.stderr
        assert done.stderr.splitlines()[-1] == "hint: use --precision fp32" or "mistakes" in (
            done.stderr
        )


def test_the_demo_looks_for_its_extras_before_its_first_step(run_xlt, tmp_path):
    """It ran for minutes and then lacked the package of its report."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'jinja2':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    import os

    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    started = time.monotonic()
    done = run_xlt("demo", "--size", "tiny", "--out", "d", env={"PYTHONPATH": paths})
    assert done.returncode == 6, (done.stderr, time.monotonic() - started)
    assert "'jinja2' is not installed" in two_lines(done)
    assert not (tmp_path / "d").exists()
