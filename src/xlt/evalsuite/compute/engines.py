"""The engine that is loaded while cells are evaluated, and the vectors of texts it encoded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from xlt.core.artifacts.bundle import Bundle
from xlt.core.encode.encoder import Encoder
from xlt.core.inference.engine import Engine
from xlt.core.inference.session import usable_cores
from xlt.evalsuite.compute.vectors import TextVectors
from xlt.evalsuite.plan.plan import Plan, Planned

__all__ = ["Engines"]


class Engines:
    """Keeps the engine of one bundle open over all its tasks and languages."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._bundle: Bundle | None = None
        self._engine: Engine | None = None
        self._vectors: TextVectors | None = None

    def engine(self, bundle: Bundle) -> Engine:
        """The engine of a bundle; the previous bundle's engine is closed first.

        Raises:
            ModelError: the bundle does not load, or the device is not there.
        """
        if self._engine is None or self._bundle is not bundle:
            self._engine = self._vectors = None
            self._engine = Engine.open(
                bundle,
                precision=bundle.precision,
                device=self._plan.device,
                threads=self._plan.threads,
                batch_tokens=self._plan.batch_tokens,
                side_by_side=True,
            )
            self._bundle = bundle
        return self._engine

    def encoder(self, bundle: Bundle) -> Encoder:
        """The encoder of a bundle, as its engine has it."""
        return self.engine(bundle).encoder

    def engine_for(self, cell: Planned) -> Engine:
        """The engine of a cell's bundle, whose answers follow the rules of the task that is asked.

        Whether a question may have no answer is a matter of the task, not of what was trained;
        the labels and their order stay those of the model.
        """
        engine = self.engine(cell.bundle)
        if engine.task.null_answer == cell.task.null_answer:
            return engine
        task = replace(engine.task, null_answer=cell.task.null_answer)
        return replace(engine, bundle=replace(engine.bundle, task=task))

    @property
    def is_open(self) -> bool:
        """Whether a model is loaded."""
        return self._engine is not None

    @property
    def setup(self) -> dict[str, Any]:
        """What speed depends on, for measured.json."""
        assert self._engine is not None, "nothing was opened yet"
        return {
            "device": self._engine.session.device,
            "threads": self._plan.threads or usable_cores(),
            "batch_tokens": self._engine.batch_tokens,
        }

    def vectors(self, bundle: Bundle) -> TextVectors:
        """Sentence vectors of a bundle, each distinct text encoded once."""
        engine = self.engine(bundle)
        if self._vectors is None:
            self._vectors = TextVectors(engine)
        return self._vectors
