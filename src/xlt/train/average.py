"""`xlt average`: one run from several, their weights averaged, target by target.

Runs that begin at the same base model and differ in seed, order or hyper-parameters end in one
basin; the mean of their weights is often as good as the best of them (Wortsman et al. 2022), and
varies less from seed to seed. It is scored on English dev beside the runs it is made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import transformers
from torch import Tensor

from xlt.core.artifacts.runs import Run
from xlt.core.errors import ModelError, UsageError
from xlt.core.files import sha256_file
from xlt.core.show.terminal import note
from xlt.core.tasks.table import Task
from xlt.data import DataRoot
from xlt.train.finetune.compare import ORACLE, best_on_targets, score_folder
from xlt.train.finetune.scoring import SELECTION
from xlt.train.models import load_encoder, quiet, save_folder
from xlt.train.plan.base import Base
from xlt.train.plan.config import TrainConfig
from xlt.train.plan.read import read_part, target_dev
from xlt.train.plan.recipe import RECIPE, read_recipe

__all__ = ["average"]


def average(
    paths: Sequence[Path], out: Path, *, data: Path | None, force: bool, oracle: bool = False
) -> Run:
    """Average the encoders and the targets that all runs have.

    Args:
        paths: finished runs of one base model; or one run, trained with --keep: the weights of
            its last dev evaluations.
        out: the run to write.
        data: the data root for dev scores; None: that of the first run.
        force: replace what is there.
        oracle: score on the dev sets of the other languages, too, and name what is best there.

    Raises:
        UsageError: nothing to average, or the output holds something.
        ModelError: a run is not finished, or their models do not fit each other.
        DataError: the data root is not there.
    """
    runs = [_finished(path) for path in dict.fromkeys(path.resolve() for path in paths)]
    kept = _kept(runs[0]) if len(runs) == 1 else {}
    if len(runs) < 2 and not kept:
        raise UsageError(
            f"fewer than two runs to average, and {paths[0]} kept no weights",
            "name two or more, or train with --keep 5",
        )
    config = _config(runs[0], data)
    root = DataRoot(config.data, task_files=config.task_file)
    shared = [name for name in runs[0].targets if all(name in run.targets for run in runs)]
    folders = kept or {name: [run.targets[name] for run in runs] for name in shared}
    models = {name: _mean(found, name) for name, found in folders.items()}
    encoder = _mean([run.path / str(run.record["encoder"]) for run in runs], None)
    asked = {"average": [str(run.path.resolve()) for run in runs], "data": str(root.path.resolve())}
    first = runs[0].record
    with Run.create(out, asked, force=force, resume=False) as run:
        lineage = {**first["lineage"], "averaged": [_source(one) for one in runs]}
        lineage["data"] = _every(one.record["lineage"]["data"] for one in runs)
        run.save(lineage=lineage)
        save_folder(encoder, runs[0].path / str(first["encoder"]), out / "encoder")
        run.save(encoder="encoder")
        for name, model in models.items():
            entry = first["targets"][name]
            folder = out / "targets" / name
            save_folder(model, runs[0].targets[name], folder)
            entry = {
                **entry,
                "path": f"targets/{name}",
                **_scores(config, root, runs, run, name, kept, oracle=oracle),
            }
            run.save(targets={**run.record["targets"], name: entry})
        run.finish()
    return run


def _finished(path: Path) -> Run:
    run = Run.open(path)
    if run.status != "done" or run.encoder is None:
        raise ModelError(f"{path} is a run that is not finished", "finish it with --resume first")
    return run


def _kept(run: Run) -> dict[str, list[Path]]:
    """Target -> folders of the weights that it kept, oldest first."""
    found = {name: sorted((run.path / "checkpoints" / name).glob("step-*")) for name in run.targets}
    return {name: folders for name, folders in found.items() if folders}


def _config(run: Run, data: Path | None) -> TrainConfig:
    """What the first run was asked, as its recipe has it.

    Raises:
        ModelError: the run has no recipe.
    """
    if not (run.path / RECIPE).is_file():
        raise ModelError(f"{run.path} has no {RECIPE}", "train it with this version of xlt")
    fields = read_recipe(run.path / RECIPE)
    return TrainConfig(**{**fields, **({"data": data} if data else {})})


def _mean(folders: Sequence[Path], target: str | None) -> Any:
    """The model of the first folder with the mean of all weights.

    Raises:
        ModelError: other tensors, shapes or labels.
    """
    model = _load(folders[0], target)
    total = {name: tensor.double() for name, tensor in _floats(model).items()}
    for folder in folders[1:]:
        other = _load(folder, target)
        tensors = _floats(other)
        labels = (model.config.id2label, other.config.id2label)
        fits = tensors.keys() == total.keys() and all(
            tensors[name].shape == total[name].shape for name in total
        )
        if not fits or (target is not None and labels[0] != labels[1]):
            raise ModelError(
                f"{folder} and {folders[0]} are models of different shape or labels",
                "average runs of one base model and the same tasks",
            )
        for name, tensor in tensors.items():
            total[name] += tensor.double()
    mean = {name: (value / len(folders)).float() for name, value in total.items()}
    model.load_state_dict(mean, strict=False)
    return model


def _load(folder: Path, target: str | None) -> Any:
    if target is None:
        return load_encoder(folder)
    settings = transformers.AutoConfig.from_pretrained(folder)
    name = (settings.architectures or [""])[0]
    with quiet():
        return getattr(transformers, name).from_pretrained(folder).float()


def _floats(model: Any) -> dict[str, Tensor]:
    return {n: t.detach() for n, t in model.state_dict().items() if t.is_floating_point()}


def _scores(
    config: TrainConfig,
    root: DataRoot,
    runs: Sequence[Run],
    run: Run,
    name: str,
    kept: Mapping[str, Sequence[Path]],
    *,
    oracle: bool,
) -> dict[str, Any]:
    """Dev scores of the average, and of what it is made of beside it.

    Of one run: `pick`, which English dev chose, and `last`; of several: each one's pick.

    Returns:
        `dev`, `beside` (name -> scores on English dev), `folders` (name -> model folder), and with
        `oracle` also `target_dev`: name -> language -> headline, the oracle's among them.
    """
    entry = runs[0].record["targets"][name]
    task = Task.from_json(entry["task"])
    base = Base(name=config.model, source=None, compact=bool(entry["hyper"].get("batch_tokens")))
    part = read_part(config, root, base, task, phase=name, target=True)
    if name in kept:
        others = {"pick": runs[0].targets[name], "last": kept[name][-1]}
        candidates = {str(folder): folder for folder in kept[name]}
    else:
        others = {str(one.path): one.targets[name] for one in runs}
        candidates = others
    folders = {"average": run.path / "targets" / name, **others}
    length = entry["hyper"]["max_length"]
    sets = {"en": part.dev.examples} if part.dev else {}
    found = {
        who: _plain(score_folder(folder, task, sets, length).get("en", {}))
        for who, folder in folders.items()
    }
    told: dict[str, Any] = {}
    if oracle:
        shots = [lang.partition(":")[0] for lang in config.target_langs]
        targets = target_dev(root, task, shots)
        if targets:
            by_who = {
                who: score_folder(folder, task, targets, length)
                for who, folder in {**candidates, **folders}.items()
            }
            best = best_on_targets({who: by_who[who] for who in candidates})
            folders[ORACLE] = candidates[best]
            found[ORACLE] = _plain(score_folder(folders[ORACLE], task, sets, length).get("en", {}))
            by_who[ORACLE] = by_who[best]
            told["target_dev"] = {
                who: {lang: scores[SELECTION] for lang, scores in by_who[who].items()}
                for who in folders
            }
        else:
            note(f"{name}: no dev set in another language, so there is no {ORACLE}")
    for who, scores in found.items():
        said = ", ".join(f"{metric} {value:.1f}" for metric, value in scores.items())
        note(f"{name}: {who}: {said or 'no dev set'}")
    return {
        "dev": found["average"],
        "beside": {who: scores for who, scores in found.items() if who != "average"},
        "folders": {who: str(folder.resolve()) for who, folder in folders.items()},
        **told,
    }


def _plain(scores: Mapping[str, float]) -> dict[str, float]:
    return {metric: value for metric, value in scores.items() if metric != SELECTION}


def _source(run: Run) -> dict[str, Any]:
    lineage = run.record["lineage"]
    return {"run": str(run.path), "seed": lineage["seed"], "encoder_sha256": _digest(run)}


def _digest(run: Run) -> str:
    assert run.encoder is not None
    return sha256_file(run.encoder / "model.safetensors")


def _every(data: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for records in data:
        found += [record for record in records if record not in found]
    return found
