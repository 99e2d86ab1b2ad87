"""Means over family, branch, script and Indo-European or not."""

import pytest

from xlt.core.tasks.languages import LANGUAGES
from xlt.evalsuite.report.families import group_means


def test_groups_are_plain_means_of_their_members():
    means = group_means({"en": 90.0, "de": 80.0, "fi": 60.0, "hu": 50.0, "sw": 40.0}, LANGUAGES)
    assert means["family"]["Indo-European"] == {"mean": 85.0, "langs": ["en", "de"]}
    assert means["family"]["Uralic"] == {"mean": 55.0, "langs": ["fi", "hu"]}
    assert means["branch"]["Germanic"]["mean"] == 85.0
    assert means["script"]["Latn"] == {"mean": 64.0, "langs": ["en", "de", "fi", "hu", "sw"]}
    assert means["indo_european"]["other"]["mean"] == pytest.approx(50.0)


def test_large_groups_come_first_then_names():
    means = group_means({"sw": 1.0, "fi": 1.0, "hu": 1.0, "ar": 1.0}, LANGUAGES)
    assert list(means["family"]) == ["Uralic", "Afro-Asiatic", "Niger-Congo"]
