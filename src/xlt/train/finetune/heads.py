"""Several heads on one encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from xlt.core.encode.families import family_of

__all__ = ["Heads", "head_of"]


class Heads(nn.Module):
    """Models of several tasks that share their encoder, parameter by parameter.

    The encoder with a pooler is taken where any of the heads needs one. The module answers to
    what the loop and the cut of the vocabulary ask of a model.

    Args:
        names: of the tasks.
        models: one a task, all begun from the same encoder; the first is what is written.
    """

    def __init__(self, names: Sequence[str], models: Sequence[Any]) -> None:
        super().__init__()
        self.places = {name: place for place, name in enumerate(names)}
        self.models = nn.ModuleList(models)
        self.config = models[0].config
        shared = max((m.base_model for m in models), key=_count)
        self._had_pooler = _pooler(models[0]) is not None
        for model in models:
            setattr(model, model.base_model_prefix, shared)
            model.tie_weights()

    @property
    def first(self) -> Any:
        """The model that is written; a pooler that only other heads use is left out."""
        model: Any = self.models[0]
        if not self._had_pooler and _pooler(model) is not None:
            setattr(model.base_model, family_of(model.config.model_type).pooler, None)
        return model

    def head(self, name: str) -> Any:
        """The model of a task."""
        return self.models[self.places[name]]

    def get_input_embeddings(self) -> Any:
        """The table of token embeddings that all heads share."""
        return self.models[0].get_input_embeddings()  # type: ignore[operator]

    def set_input_embeddings(self, table: nn.Module) -> None:
        """Give all heads another table."""
        self.models[0].set_input_embeddings(table)  # type: ignore[operator]

    def get_output_embeddings(self) -> Any:
        """That of a masked LM, whose weights may be tied to the table."""
        found = (model.get_output_embeddings() for model in self.models)  # type: ignore[operator]
        return next((output for output in found if output is not None), None)


def head_of(model: Any, name: str) -> Any:
    """The model of a task; of a single one, the model itself."""
    return model.head(name) if isinstance(model, Heads) else model


def _pooler(model: Any) -> Any:
    return getattr(model.base_model, family_of(model.config.model_type).pooler, None)


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
