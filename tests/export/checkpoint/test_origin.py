"""What a foreign model was trained on: from the user, its card, or not declared."""

import json
import shutil

import pytest

from xlt.core.errors import UsageError
from xlt.export.checkpoint.origin import card_facts, declared_training
from xlt.export.config import ExportConfig
from xlt.export.plan import find_model, plan

CARD = """---
license: mit
language:
- en
- sw
datasets: [multi_nli, "facebook/xnli"]
tags:
- datasets
---
# A model
datasets: none of these
"""


def test_a_card_names_data_sets_licence_and_languages(tmp_path):
    (tmp_path / "README.md").write_text(CARD)
    assert card_facts(tmp_path) == {
        "datasets": ["multi_nli", "facebook/xnli"], "language": ["en", "sw"], "license": "mit",
    }  # fmt: skip
    found = declared_training(tmp_path, None)
    assert (found["declared"], found["by"]) == (True, "card")
    assert found["base"] == "multi_nli, facebook/xnli"
    assert found["tasks"] == ["mnli", "xnli"]  # so that eval can say what was seen


@pytest.mark.parametrize("card", ["", "# no matter", "---\ndatasets:\n- squad\n", "---\nx: 1\n---"])
def test_without_a_statement_it_is_not_declared(tmp_path, card):
    (tmp_path / "README.md").write_text(card)
    assert declared_training(tmp_path, None)["declared"] is False
    assert declared_training(tmp_path / "nowhere", None)["declared"] is False


def test_the_user_s_words_go_before_the_card(tmp_path):
    (tmp_path / "README.md").write_text(CARD)
    found = declared_training(tmp_path, "squad and our own tickets")
    assert (found["by"], found["base"]) == ("flag", "squad and our own tickets")
    assert found["tasks"] == ["squad"]


def test_a_run_says_itself_what_it_was_trained_on(run_folder, tmp_path):
    config = ExportConfig(model=run_folder, out=tmp_path / "o", trained_on="something else")
    with pytest.raises(UsageError, match="records what its models were trained on"):
        plan(find_model(run_folder), config)


def test_a_job_carries_what_the_card_says(checkpoints, tmp_path):
    folder = tmp_path / "nli"
    shutil.copytree(checkpoints(), folder)
    (folder / "README.md").write_text(CARD)
    [job] = plan(find_model(folder), ExportConfig(out=tmp_path / "o"))
    assert job.trained_on["base"] == "multi_nli, facebook/xnli"
    assert job.card["license"] == "mit"
    [job] = plan(find_model(folder), ExportConfig(out=tmp_path / "o", trained_on="nothing"))
    assert job.trained_on["base"] == "nothing"
    assert json.dumps(dict(job.trained_on))
