"""What the flags of a sentence encoder come to for a checkpoint: its block, prompts and widths."""

from __future__ import annotations

from xlt.core.errors import UsageError, did_you_mean
from xlt.export.checkpoint.reading import Checkpoint
from xlt.export.checkpoint.sentence import SentenceSettings

__all__ = ["block_of", "prompts_of", "vector_width", "widths_of"]

OWN_PROMPT = "default"  # the name of a prompt that --prompt writes out


def block_of(wanted: str | int | None, checkpoint: Checkpoint) -> int:
    """The last block kept: the one that is asked for, a sentence model's last, or XTREME's.

    Raises:
        UsageError: there is no such block.
    """
    depth = checkpoint.depth
    if wanted == "last" or (wanted is None and checkpoint.sentence):
        return depth
    if wanted is None:
        return checkpoint.family.retrieval_layer.get(depth, depth)
    layer = int(wanted)
    if not 0 <= layer <= depth:
        raise UsageError(
            f"--layer {layer}: {checkpoint.source} has blocks 1..{depth}",
            "K counts hidden_states[K]; `last` is the last block, 0 the embeddings alone",
        )
    if layer == 0 and not checkpoint.family.runs_without_blocks:
        raise UsageError(
            f"--layer 0: {checkpoint.model_type} cannot run without a block", "take 1 or more"
        )
    return layer


def prompts_of(
    wanted: str | None, sentence: SentenceSettings | None
) -> tuple[dict[str, str], str | None]:
    """All prompts, and the name of the one that eval and serve use.

    Args:
        wanted: `--prompt`: the name of one of the model's, or a text of the user's own.
        sentence: the model's settings.

    Raises:
        UsageError: neither.
    """
    prompts = dict(sentence.prompts) if sentence else {}
    if wanted is None:
        return prompts, sentence.default_prompt if sentence else None
    named = next((name for name, text in prompts.items() if wanted in (name, text)), None)
    if named is not None:
        return prompts, named
    if wanted.strip() == wanted and ":" not in wanted:
        raise UsageError(
            f"--prompt {wanted}: the model has "
            + (f"the prompts {', '.join(prompts)}" if prompts else "no prompts")
            + did_you_mean(wanted, prompts),
            "name one of them, or write a prompt as it stands before a text, as `query: `",
        )
    return {**prompts, OWN_PROMPT: wanted}, OWN_PROMPT


def vector_width(checkpoint: Checkpoint) -> int:
    """Numbers in a sentence's vector: those of the last layer after the pooling."""
    steps = checkpoint.sentence.steps if checkpoint.sentence else ()
    return next((step.outputs for step in reversed(steps) if step), checkpoint.width)


def widths_of(wanted: tuple[int, ...], checkpoint: Checkpoint) -> tuple[int, ...]:
    """The widths that vectors may be cut to.

    Raises:
        UsageError: one is not below the model's.
    """
    width = vector_width(checkpoint)
    if wanted and wanted[-1] >= width:
        raise UsageError(
            f"--dimensions {wanted[-1]}: {checkpoint.source} gives vectors of {width}",
            "name smaller widths; the whole vector is always there",
        )
    return wanted
