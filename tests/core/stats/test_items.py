"""Items as a file, and effects from pseudo-values against those from sums."""

import numpy as np
import pytest

from xlt.core.errors import DataError
from xlt.core.metrics.table import headline_score
from xlt.core.stats.items import read_items
from xlt.core.stats.seeds import effect_of_values, pseudo_values, seed_effect


def test_a_damaged_file_names_itself(tmp_path):
    path = tmp_path / "test-de.npz"
    path.write_bytes(b"PK no archive")
    with pytest.raises(DataError, match=r"test-de\.npz"):
        read_items(path)


def test_items_without_clusters_have_no_rows(tmp_path):
    np.savez(tmp_path / "a.npz", hashes=np.arange(3, dtype=np.uint64), counts=np.ones((3, 1)))
    assert read_items(tmp_path / "a.npz").rows is None


def test_pseudo_values_of_a_mean_over_languages_are_the_mean_of_pseudo_values():
    rng = np.random.default_rng(3)
    score = headline_score("bucc")
    hits = (rng.random((5, 40, 2)) < 0.6).astype(float)
    sums = np.stack([hits, hits + (rng.random(hits.shape) < 0.2), np.ones(hits.shape)], axis=-1)

    def mean(both):
        return score(both.reshape(*both.shape[:-1], 2, 3)).mean(axis=-1)

    whole = seed_effect(sums.reshape(5, 40, 6), mean, rng)
    parts = [pseudo_values(sums[:, :, lang], score) for lang in range(2)]
    by_seed = np.mean([score(sums[:, :, lang].sum(axis=1)) for lang in range(2)], axis=0)
    from_parts = effect_of_values(np.mean(parts, axis=0), by_seed)
    assert from_parts.interval.low == pytest.approx(whole.interval.low)
    assert from_parts.p == pytest.approx(whole.p)
    assert from_parts.by_seed == pytest.approx(whole.by_seed)
