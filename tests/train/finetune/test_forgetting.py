"""Earlier heads on a later encoder: what a phase makes the ones before it lose."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from xlt.core.artifacts.runs import Run
from xlt.core.errors import UsageError
from xlt.train import fit
from xlt.train.finetune.compare import score_folder
from xlt.train.finetune.forgetting import FIRST_ONLY, GONE, OTHER_DATA

pytestmark = pytest.mark.usefixtures("silent")


@pytest.fixture(scope="module")
def both(config, root, models_of, tmp_path_factory):
    """The same run twice: as it is, and with its forgetting measured."""
    folder = tmp_path_factory.mktemp("forgetting")
    settings = {"intermediate": ("mnli", "hellaswag", "squad"), "target": ("udpos",),
                "epochs": 2.0, "lr": 3e-3}  # fmt: skip
    return [
        fit(config(root, models_of("bert"), folder / str(k), forgetting=k == 1, **settings))
        for k in range(2)
    ]


def entries(run):
    return {entry["name"]: entry for entry in run.record["lineage"]["phases"]}


def test_what_is_trained_is_the_same_bits_with_and_without(both):
    plain, measured = both
    files = sorted(path.relative_to(plain.path) for path in plain.path.rglob("*.safetensors"))
    assert len(files) == 5
    for file in files:
        one, other = load_file(plain.path / file), load_file(measured.path / file)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one), file
    assert (plain.path / "log.jsonl").read_bytes() == (measured.path / "log.jsonl").read_bytes()
    kept = {name: {k: v for k, v in entry.items() if k != "forgetting"}
            for name, entry in entries(measured).items()}  # fmt: skip
    assert kept == entries(plain)
    assert "forgetting" not in json.dumps(plain.record)


def test_every_earlier_phase_is_scored_after_every_later_one(both):
    found = entries(both[1])
    assert "forgetting" not in found["1-mnli"]
    told = {name: [(one["phase"], one["task"]) for one in found[name]["forgetting"]]
            for name in ("2-hellaswag", "3-squad")}  # fmt: skip
    assert told == {
        "2-hellaswag": [("1-mnli", "mnli")],
        "3-squad": [("1-mnli", "mnli"), ("2-hellaswag", "hellaswag")],
    }
    for name in told:
        for one in found[name]["forgetting"]:
            assert one["before"] == pytest.approx(found[one["phase"]]["dev"])
            assert one["after"].keys() == one["before"].keys()
    assert any(
        one["after"] != one["before"] for name in told for one in found[name]["forgetting"]
    ), "a learning rate like this one forgets something"


def test_a_head_on_its_own_encoder_loses_nothing_and_its_pooler_stays(both, monkeypatch):
    run = both[1]
    first, second = (run.path / f"phases/{name}" for name in ("1-mnli", "2-hellaswag"))
    seen = []
    monkeypatch.setattr(
        "xlt.train.finetune.compare.dev_scores",
        lambda model, *rest: seen.append(model.state_dict()) or {},
    )
    from xlt.core.tasks.table import TASKS

    for encoder in (None, first, second):
        score_folder(first, TASKS["mnli"], {"en": ()}, 48, encoder=encoder)
    own, same, grafted = seen
    later = load_file(second / "model.safetensors")
    assert all(torch.equal(own[name], same[name]) for name in own)
    for name, tensor in grafted.items():
        above = name.startswith(("classifier.", "bert.pooler."))
        assert torch.equal(tensor, (own if above else later)[name]), name


def test_a_run_finds_the_heads_of_the_runs_that_it_started_from(
    both, config, root, models_of, tmp_path
):
    here = tmp_path / "here"
    settings = {"epochs": 2.0, "lr": 3e-3, "target": ()}
    start = models_of("bert")
    for name, task in (("a", "mnli"), ("b", "hellaswag")):
        fit(config(root, start, here / name, intermediate=(task,), **settings))
        start = here / name
    moved = tmp_path / "moved"
    shutil.move(here, moved)  # run.json of `b` names a folder that is gone; `a` lies beside it
    run = fit(
        config(root, moved / "b", moved / "c", intermediate=("squad",), forgetting=True, **settings)
    )
    found = run.record["lineage"]["phases"][-1]["forgetting"]
    assert [one["phase"] for one in found] == ["1-mnli", "1-hellaswag"]
    dev = [entry["dev"] for entry in run.record["lineage"]["phases"][:2]]
    assert [one["before"] for one in found] == [pytest.approx(one) for one in dev]


def test_what_cannot_be_scored_again_is_told_with_its_reason(config, root, models_of, tmp_path):
    settings = {"steps": 2, "target": (), "max_length": 48}
    data = tmp_path / "data"
    shutil.copytree(root, data)
    first = tmp_path / "first"
    fit(config(data, models_of("bert"), first, intermediate=("mnli,hellaswag",), **settings))
    second = tmp_path / "second"
    fit(config(data, first, second, intermediate=("squad",), **settings))
    file = data / "squad/dev-v1.1.json"
    file.write_text(file.read_text().replace("who is", "is who"))
    shutil.rmtree(first)
    run = fit(
        config(
            data, second, tmp_path / "third", intermediate=("mnli",), forgetting=True, **settings
        )
    )
    assert run.record["lineage"]["phases"][-1]["forgetting"] == [
        {"phase": "1-mnli+hellaswag", "task": "mnli", "reason": GONE},
        {"phase": "1-mnli+hellaswag", "task": "hellaswag", "reason": FIRST_ONLY},
        {"phase": "1-squad", "task": "squad", "reason": OTHER_DATA},
    ]
    assert Run.open(tmp_path / "third").status == "done"


def test_it_is_asked_for_with_phases(config, root, models_of, tmp_path):
    with pytest.raises(UsageError, match="--forgetting needs an --intermediate task"):
        config(root, models_of("bert"), tmp_path, target=("udpos",), forgetting=True).check()
