"""Stages under construction: each is made once, whoever needs it, and has a key of its content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from xlt.core.files import sha256_json
from xlt.study.plan.records import DATA, OUTPUT, STORE, Stage

__all__ = ["FORMATS", "Graph"]

# What a verb makes of the same arguments changes with these; raise one when it does.
FORMATS = {"world": 2, "train": 1, "average": 1, "export": 1, "eval": 1}
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9+.]+")
LONGEST_LABEL = 60


class Graph:
    """The stages of a study, by id, in an order in which they can run."""

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = {}

    def add(
        self,
        verb: str,
        label: str,
        *,
        words: Sequence[str],
        needs: Sequence[Stage] = (),
        data: Any = None,
        model: Any = None,
        facts: Mapping[str, Any] | None = None,
        inside: str = "",
        pick: str = "",
        under: str = "",
    ) -> Stage:
        """A stage, new or made before.

        Args:
            verb: world, train, export or eval.
            label: for people; no part of the key.
            words: flags that decide the result, without paths, seeds included.
            needs: stages whose results it reads; the first is its model, a world comes last.
            data: hash of the files it reads from outside the store.
            model: identity of a base model from outside the store, and what to type for it.
            facts: what its cost is estimated from; no part of the key.
            inside: where in the model's result the model lies.
            pick: of an average's folders: TASK:RULE, read when the stage starts.
            under: where in the output folder the result goes.
        """
        models = [stage for stage in needs if stage.verb != "world"]
        identity = {
            "verb": verb,
            "format": FORMATS[verb],
            "words": list(words),
            "needs": [stage.key for stage in needs],
            "data": data,
            "model": model[0] if model else None,
            **({"pick": pick} if pick else {}),
        }
        key = sha256_json(identity)
        name = NOT_IN_A_NAME.sub("-", label).strip("-")[:LONGEST_LABEL].strip("-")
        found = f"{verb}-{name}-{key[:8]}"
        if found not in self.stages:
            place = f"{STORE}/{models[0].output}{inside}" if models else model[1] if model else ""
            place = f"@{pick}:{place}" if pick else place
            self.stages[found] = Stage(
                id=found,
                key=key,
                verb=verb,
                label=label,
                argv=_command(verb, place, f"{STORE}/{found}/{OUTPUT[verb]}{under}", words),
                needs=tuple(stage.id for stage in needs),
                facts=dict(facts or {}),
            )
        return self.stages[found]

    def all_needs(self, *wanted: Stage) -> tuple[str, ...]:
        """Ids of stages and of all that they need, in an order in which they can run."""
        found: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in found:
                for need in self.stages[name].needs:
                    visit(need)
                found[name] = None

        for stage in wanted:
            visit(stage.id)
        return tuple(found)


def _command(verb: str, model: str, out: str, words: Sequence[str]) -> tuple[str, ...]:
    """The words after `xlt`, `--force` or `--resume` where the verb wants one to go on."""
    if verb == "world":
        return ("world", "--out", out, *words, "--force")
    if verb == "train":
        return ("train", "--model", model, "--data", DATA, "--out", out, *words, "--resume")
    if verb == "average":
        return ("average", model, "--data", DATA, "--out", out, *words, "--force")
    if verb == "export":
        return ("export", model, "--out", out, *words, "--force")
    return ("eval", model, "--data", DATA, "--out", out, *words)
