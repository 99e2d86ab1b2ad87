"""`xlt export` as typed: what is printed where, and the exit codes."""

import json
import sys

import pytest
from click.testing import CliRunner

from xlt.export.command import export as command
from xlt.export.config import ExportConfig, ExportFlags


def test_default_run_is_exported_and_printed(run_xlt, run_folder, tmp_path):
    run_folder.rename(tmp_path / "xlt-run")
    done = run_xlt("export", "--task", "udpos")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "xlt-run/bundles/udpos/xlt.json").is_file()
    assert "xlt-run/bundles/udpos" in done.stdout
    assert "exported" in done.stderr
    assert "Warning" not in done.stderr  # the exporter's remarks are held back


def test_json_is_alone_on_stdout(checkpoints, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = [str(checkpoints(kind="embed")), "--out", "b", "--layer", "2", "--json"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    [entry] = json.loads(done.stdout)
    assert (entry["status"], entry["layer"], entry["answers"]) == (
        "exported", 2, ["bucc2018", "tatoeba"],
    )  # fmt: skip
    assert entry["parity"]["fp32"]["min_cosine"] > 0.99999


def test_dry_run_names_the_bundles(run_folder):
    done = CliRunner().invoke(command, [str(run_folder), "--dry-run"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["xquad", "udpos", "encoder"]
    assert done.stdout.count("planned") == 3


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--layer", "9"], 2, "has blocks 1..3"),
        (["--precision", "int9"], 2, "--precision int9"),
        (["--dimensions", "64"], 2, "gives vectors of 32"),
        (["--dimensions", "8;16"], 2, "--dimensions '8;16'"),
        (["--device", "gpu"], 2, "unknown device"),
        (["--device", "cuda:99"], 4, "cuda:99"),
        (["--task", "udpos"], 4, "kind embed"),
        (["--data", "nowhere"], 3, "nowhere"),
    ],
)
def test_exit_codes(checkpoints, tmp_path, monkeypatch, flags, code, said):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, [str(checkpoints(kind="embed")), "--out", "b", *flags])
    assert done.exception.exit_code == code, done.output
    assert said in done.exception.message
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("package", ["torch", "optimum"])
def test_missing_extra_is_exit_6_with_the_pip_line(checkpoints, tmp_path, monkeypatch, package):
    folder = checkpoints()
    if package == "torch":
        monkeypatch.delitem(sys.modules, "xlt.export.build", raising=False)
        monkeypatch.setitem(sys.modules, "torch", None)
    else:
        monkeypatch.setitem(sys.modules, "optimum.exporters.onnx.convert", None)
    done = CliRunner().invoke(command, [str(folder), "--out", str(tmp_path / "b")])
    assert done.exception.exit_code == 6
    assert package in done.exception.message
    assert done.exception.hint.partition("  #")[0].endswith('[export]"')
    assert not (tmp_path / "b").exists()


def test_nothing_to_export_is_exit_4_with_two_lines(run_xlt):
    done = run_xlt("export")
    assert done.returncode == 4
    assert done.stderr.splitlines()[0].startswith("error: no model named")
    assert done.stderr.splitlines()[1].startswith("hint: ")


def test_every_option_is_a_field_of_the_configuration_and_a_keyword():
    fields = set(ExportConfig.__dataclass_fields__)
    assert {parameter.name for parameter in command.params} - {"as_json"} == fields
    assert set(ExportFlags.__annotations__) == fields - {"model"}


def test_help_ends_with_examples():
    text = CliRunner().invoke(command, ["--help"]).stdout
    assert "Examples:" in text
    assert "[RUN|CHECKPOINT|HF_ID]" in text
