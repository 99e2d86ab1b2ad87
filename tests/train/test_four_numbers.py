"""One run to four numbers: last, English-dev pick, average, target-dev oracle; as docs/train.md."""

import json

import pytest
from click.testing import CliRunner

from xlt.cli.main import xlt as group
from xlt.core.artifacts.runs import Run

pytestmark = pytest.mark.usefixtures("silent")


def xlt(*arguments):
    done = CliRunner().invoke(group, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize(
    "evaluated",
    [("target-dev oracle",), pytest.param(("average", "pick", "last"), marks=pytest.mark.slow)],
)
def test_last_pick_average_and_oracle_are_exported_and_evaluated(evaluated, tiny_world, tmp_path):
    run, mean = tmp_path / "run", tmp_path / "mean"
    xlt(
        "train", "--model", "compact", "--pretrain", "svd", "--vocab-size", 600, "--data",
        tiny_world, "--target", "udpos", "--epochs", 4, "--keep", 3, "--eval-every", 3,
        "--train-examples", 60, "--threads", 1, "--out", run,
    )  # fmt: skip
    told = json.loads(xlt("average", run, "--oracle", "--out", mean, "--json"))
    entry = told["targets"]["udpos"]
    names = ["average", "pick", "last", "target-dev oracle"]
    assert list(entry["folders"]) == names
    assert ["average", *entry["beside"]] == names
    kept = sorted((run / "checkpoints/udpos").iterdir())
    assert len(kept) == 3
    assert entry["folders"]["last"] == str(kept[-1])
    assert entry["folders"]["target-dev oracle"] in map(str, kept)
    means = {who: sum(by.values()) / len(by) for who, by in entry["target_dev"].items()}
    assert means["target-dev oracle"] >= max(means["pick"], means["last"]) - 1e-9
    langs = set(entry["target_dev"]["average"])
    assert langs and "en" not in langs

    for number, who in enumerate(evaluated):
        bundle, out = tmp_path / f"b-{number}", tmp_path / f"r-{number}"
        xlt("export", entry["folders"][who], "--out", bundle)
        card = json.loads((bundle / "xlt.json").read_text())
        assert card["trained_on"]["declared"] and "udpos" in card["trained_on"]["tasks"]
        xlt("eval", bundle, "--data", tiny_world, "--tasks", "udpos", "--out", out)
        results = json.loads((out / "results.json").read_text())
        assert set(results["tasks"]["udpos"]["f1"]) >= langs


def test_a_language_that_was_trained_on_is_no_part_of_the_oracle(tiny_world, tmp_path):
    run = tmp_path / "run"
    given = ["train", "--model", "compact", "--pretrain", "svd", "--vocab-size", 600, "--data"]
    given += [tiny_world, "--target", "udpos", "--steps", 4, "--eval-every", 2, "--keep", 2]
    given += ["--train-examples", 20, "--threads", 1]
    xlt(*given, "--out", run)
    langs = json.loads(xlt("average", run, "--oracle", "--out", tmp_path / "a", "--json"))
    langs = list(langs["targets"]["udpos"]["target_dev"]["average"])
    xlt(*given, "--target-langs", f"{langs[0]}:5", "--out", run, "--force")
    table = xlt("average", run, "--oracle", "--out", tmp_path / "b")
    assert "target-dev oracle" in table and "target dev" in table
    record = Run.open(tmp_path / "b").record["targets"]["udpos"]
    assert list(record["target_dev"]["average"]) == langs[1:]
