"""Tasks of mteb in memory, run on a bundle; a script for an environment that has mteb.

Usage: python mteb_tasks.py BUNDLE. Prints what was found as JSON.
"""

import json
import pathlib
import sys
import tempfile

import mteb
from datasets import Dataset

from xlt.evalsuite.mteb import BundleEncoder

VERSION = int(mteb.__version__.partition(".")[0])
if VERSION == 1:
    from mteb.abstasks.AbsTaskBitextMining import AbsTaskBitextMining
    from mteb.abstasks.AbsTaskRetrieval import AbsTaskRetrieval
    from mteb.abstasks.AbsTaskSTS import AbsTaskSTS
    from mteb.abstasks.TaskMetadata import TaskMetadata
else:
    from mteb.abstasks import AbsTaskRetrieval
    from mteb.abstasks.sts import AbsTaskSTS
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.abstasks.text.bitext_mining import AbsTaskBitextMining


def metadata(kind, name, score):
    return TaskMetadata(
        type=kind, name=name, main_score=score, description="made up", reference=None,
        dataset={"path": "none", "revision": "none"}, eval_splits=["test"],
        eval_langs=["deu-Latn", "eng-Latn"], date=None, domains=None, task_subtypes=None,
        license=None, annotations_creators=None, dialect=None, sample_creation=None,
        bibtex_citation="", modalities=["text"], **({"category": "s2s"} if VERSION == 1 else
                                                    {"category": "t2t"}),
    )  # fmt: skip


class Pairs(AbsTaskBitextMining):
    metadata = metadata("BitextMining", "InventedPairs", "f1")

    def load_data(self, **kwargs):
        # moon and rain are exchanged: two of four are right
        rows = {"sentence1": ["katze", "baum", "mond", "regen"],
                "sentence2": ["cat", "tree", "rain", "moon"]}  # fmt: skip
        self.dataset = {"test": Dataset.from_dict(rows)}
        self.data_loaded = True


class Likeness(AbsTaskSTS):
    metadata = metadata("STS", "InventedLikeness", "cosine_spearman")
    min_score, max_score = 0, 5

    def load_data(self, **kwargs):
        rows = {"sentence1": ["katze", "baum", "mond tree"],
                "sentence2": ["cat", "iron", "moon"], "score": [5.0, 0.0, 3.0]}  # fmt: skip
        self.dataset = {"test": Dataset.from_dict(rows)}
        self.data_loaded = True


class Search(AbsTaskRetrieval):
    metadata = metadata("Retrieval", "InventedSearch", "ndcg_at_10")

    def load_data(self, **kwargs):
        texts = {"d1": "cat", "d2": "tree", "d3": "moon"}
        queries = {"q1": "katze", "q2": "mond"}
        relevant = {"q1": {"d1": 1}, "q2": {"d3": 1}}
        if VERSION == 1:
            self.corpus = {"test": {n: {"title": "", "text": t} for n, t in texts.items()}}
            self.queries, self.relevant_docs = {"test": queries}, {"test": relevant}
        else:
            corpus = [{"id": n, "title": "", "text": t} for n, t in texts.items()]
            asked = [{"id": n, "text": t} for n, t in queries.items()]
            part = {"corpus": Dataset.from_list(corpus), "queries": Dataset.from_list(asked),
                    "relevant_docs": relevant, "top_ranked": None}  # fmt: skip
            self.dataset = {"default": {"test": part}}
        self.data_loaded = True


def main(bundle):
    encoder = BundleEncoder(bundle, threads=1)
    tasks = [Pairs(), Likeness(), Search()]
    with tempfile.TemporaryDirectory() as folder:
        if VERSION == 1:
            run = mteb.MTEB(tasks=tasks)
            results = run.run(encoder, output_folder=folder, verbosity=0)
        else:
            from mteb.cache import ResultCache

            cache = ResultCache(cache_path=folder)
            results = mteb.evaluate(encoder, tasks, cache=cache).task_results
        written = [p.relative_to(folder).as_posix() for p in pathlib.Path(folder).rglob("*.json")]
    found = {result.task_name: result.get_score() for result in results}
    meta = encoder.mteb_model_meta
    told = {"scores": found, "written": sorted(written), "record": encoder.record,
            "mteb": mteb.__version__, "name": meta.name, "revision": meta.revision}  # fmt: skip
    print(json.dumps(told))  # noqa: T201


main(sys.argv[1])
