"""A bundle as a module of sentence-transformers: the vectors of xlt.open."""

import numpy as np
import pytest

import xlt
from xlt.core.errors import ModelError
from xlt.export import export

TEXTS = ["The ferry is late.", "Паром опаздывает, и никто не ждёт.", "船晚点了。"]


@pytest.fixture(scope="module")
def bundle(checkpoints, tmp_path_factory):
    folder = checkpoints("bert", "embed", blocks=4)
    [made] = export(folder, out=tmp_path_factory.mktemp("m") / "encoder", layer=2, prompt="query: ")
    return made.path


@pytest.mark.filterwarnings("ignore")
def test_sentence_transformers_takes_it_as_its_only_module(bundle, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(modules=[xlt.sentence_module(bundle)], device="cpu")
    expected = xlt.open(bundle).encode(TEXTS)
    assert np.array_equal(model.encode(TEXTS), expected)
    assert np.array_equal(model.encode(TEXTS, batch_size=1), expected)
    assert model.max_seq_length == 128
    assert model.get_sentence_embedding_dimension() == 32
    bare = model.encode(TEXTS, prompt="")
    assert np.array_equal(model.encode(TEXTS, prompt="query: "), expected)
    assert bare.shape == expected.shape
    model.save(str(tmp_path / "saved"))
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu", trust_remote_code=True)
    assert np.array_equal(again.encode(TEXTS), expected)


def test_a_bundle_with_a_head_is_refused(checkpoints, tmp_path):
    [made] = export(checkpoints(), out=tmp_path / "b")
    with pytest.raises(ModelError, match="gives no sentence vectors"):
        xlt.sentence_module(made.path)
