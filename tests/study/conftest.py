"""Made-up studies: a plan, finished cells and items whose true effects are known."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest

from xlt.core.files import sha256_json
from xlt.core.tasks.languages import LANGUAGES

FIELDS = ("name", "family", "branch", "script", "indo_european", "constructed")


@dataclass
class MadeUp:
    """A study whose answers are drawn: an item is right when a normal variable is above zero.

    `effect(arm, task, lang, axes)` is what an arm adds to that variable. Arms whose name is in
    `untrained` have no intermediate seed. `arm_seeds` and `arm_targets` cut an arm, targets in
    `single` have one unit, those in `encoders` one cell an intermediate seed, as is planned.
    """

    arms: tuple = ("none", "mnli")
    targets: tuple = ("xnli",)
    langs: tuple = ("en", "de", "fr", "sw", "tr")
    seeds: int = 5
    target_seeds: int = 1
    items: int = 120
    effect: object = staticmethod(lambda arm, task, lang, axes: 0.0)
    seed_noise: float = 0.05
    item_noise: float = 0.6
    estimand: dict = field(default_factory=dict)
    axes: dict = field(default_factory=dict)
    untrained: tuple = ("none",)
    same_data: tuple = ()
    labelled: dict = field(default_factory=dict)
    baseline_seeds: int = 0
    unfinished: tuple = ()
    languages: dict = field(default_factory=dict)
    data: str = "nowhere"
    number: int = 1
    arm_seeds: dict = field(default_factory=dict)
    arm_targets: dict = field(default_factory=dict)
    single: tuple = ()
    encoders: tuple = ()
    items_of_a_cluster: int = 1

    def write(self, out):
        rng = np.random.default_rng(self.number)
        store = out / "store"
        items = {
            (task, lang): self.item_noise * rng.normal(size=self.items)
            for task in self.targets
            for lang in self.langs
        }
        cells = []
        for axes in self.combinations():
            for arm in self.arms:
                for target in self.targets:
                    if target not in self.arm_targets.get(arm, (target,)):
                        continue
                    for seeds in self.units(arm, target):
                        cells.append(self.cell(rng, out, store, items, axes, arm, target, *seeds))
        asked = {"kind": "effect", "arms": ["mnli"], "baseline": "none",
                 "tasks": list(self.targets), "languages": "transfer", **self.estimand}  # fmt: skip
        plan = {
            "schema": 1, "name": "made up", "question": "Does it help?", "estimand": asked,
            "estimand_hash": sha256_json(asked), "cells": cells,
            "arms": {arm: {"intermediate": [] if arm in self.untrained else [arm]}
                     for arm in self.arms},
        }  # fmt: skip
        (out / "plan.json").write_text(json.dumps(plan))
        return out

    def combinations(self):
        found = [{}]
        for name, values in self.axes.items():
            found = [{**one, name: value} for one in found for value in values]
        return found

    def units(self, arm, target):
        most = self.arm_seeds.get(arm, self.seeds)
        each = 1 if target in self.encoders else self.target_seeds
        pairs = [(i + 1, t + 1) for i in range(most) for t in range(each)]
        if target in self.single:
            pairs = pairs[:1]
        if target in self.encoders and arm in self.untrained:
            return [(None, None, 1)]
        if arm not in self.untrained:
            return [(*pair, unit) for unit, pair in enumerate(pairs, 1)]
        return [(None, unit, unit) for unit in range(1, (self.baseline_seeds or len(pairs)) + 1)]

    def cell(self, rng, out, store, items, axes, arm, target, seed, target_seed, unit):
        axes_text = {k: "all" if v is None else str(v) for k, v in axes.items()}
        name = "-".join([arm, target, *axes_text.values(), str(unit)]).replace("%", "")
        cell = {
            "id": name, "arm": arm,
            "target": "encoder" if target in self.encoders else target,
            "axes": axes, "intermediate_seed": seed,
            "target_seed": target_seed, "data_seed": 1, "unit": unit, "stages": {},
            "same_data_tasks": [target] if (arm, target) in self.same_data else [],
        }  # fmt: skip
        if name in self.unfinished:
            return cell
        place = store / f"eval-{name}"
        noise = self.seed_noise * rng.normal()
        entries = []
        for lang in self.langs:
            if target == "tatoeba" and lang == "en":
                continue
            centre = 0.3 + noise + self.seed_noise * rng.normal()
            centre += self.effect(arm, target, lang, axes_text)
            latent = centre + items[target, lang] + rng.normal(size=self.items)
            counts = np.stack([latent > 0, np.ones(self.items)], axis=1).astype(float)
            path = f"items/{target}/test-{lang}.npz"
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            order = np.arange(self.items, dtype=np.uint64)
            clusters = order // self.items_of_a_cluster
            np.savez(place / path, hashes=order, counts=counts, clusters=clusters)
            score = 100 * counts[:, 0].mean()
            entries.append(
                {"bundle": target, "task": target, "lang": lang, "split": "test",
                 "n": self.items, "score": score, "metrics": {"accuracy": score}, "flags": [],
                 "parts": {"record": {"metric": "accuracy"}}, "items": path}
            )  # fmt: skip
        data = [{"task": "text", "lang": lang} for lang in self.langs]
        data += [{"task": "mnli", "lang": lang} for lang in ("en", *self.labelled.get(arm, ()))]
        record = {
            "schema": 2, "split": "test", "data": self.data, "cells": entries,
            "bundles": {target: {"trained_on": {"declared": True, "data": data}}},
            "languages": {lang: self.language(lang) for lang in self.langs},
        }  # fmt: skip
        (place / "results.json").write_text(json.dumps(record))
        run = store / f"train-{name}"
        run.mkdir(parents=True)
        dev = sum(entry["score"] for entry in entries if entry["lang"] == "en")
        target_record = {"serves": [target], "task": {"metric": "accuracy"},
                         "dev": {"accuracy": dev}}  # fmt: skip
        (run / "run.json").write_text(json.dumps({"targets": {target: target_record}}))
        (out / "cells").mkdir(exist_ok=True)
        trained = {f"train-{name}": 60.0, f"export-{name}": 5.0, f"eval-{name}": 10.0}
        if seed is not None:
            trained[f"train-{arm}-{seed}"] = 120.0
        (out / "cells" / f"{name}.json").write_text(
            json.dumps({"schema": 1, "cell": name, "results": place.name, "runs": [run.name],
                        "seconds": trained})
        )  # fmt: skip
        return cell

    def language(self, lang):
        return self.languages.get(lang) or {f: getattr(LANGUAGES[lang], f) for f in FIELDS}


@pytest.fixture(scope="session")
def made_up(tmp_path_factory):
    """made_up(name=value ...) -> folder of a study; see `MadeUp`."""

    def make(**settings):
        return MadeUp(**settings).write(tmp_path_factory.mktemp("study"))

    return make
