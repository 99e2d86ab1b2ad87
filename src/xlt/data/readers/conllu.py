"""CoNLL-U as XTREME reads it: multiword tokens keep their surface form and get one tag.

Source: XTREME's udpos preprocessing and the ud-conversion-tools that it calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xlt.core.tasks.examples import Tagged
from xlt.data.readers.rows import bad_row, lines, shown, whole_number

__all__ = ["read_conllu"]

COLUMNS = 10
ZWNJ = "\u200c"
EMPTY_NODE = re.compile(r"[0-9]{1,18}\.[0-9]{1,18}")
PRECEDENCE = {
    "es": "VERB AUX PRON ADP DET".split(),
    "fr": "VERB AUX PRON NOUN ADJ ADV ADP DET PART SCONJ CONJ".split(),
    "it": "VERB AUX ADV PRON ADP DET INTJ".split(),
    "": "VERB NOUN PROPN PRON ADJ NUM ADV INTJ AUX ADP DET PART CCONJ SCONJ X PUNCT".split(),
}


@dataclass(slots=True)
class Tree:
    """One sentence while its lines come in; position 0 of the lists is the root's place."""

    line: int
    name: str = ""
    forms: list[str] = field(default_factory=lambda: [""])
    tags: list[str] = field(default_factory=lambda: [""])
    heads: list[int] = field(default_factory=lambda: [0])
    spans: list[tuple[int, int, str, int]] = field(default_factory=list)


def read_conllu(path: Path, labels: Sequence[str], lang: str) -> tuple[list[Tagged], list[str]]:
    """Sentences of one CoNLL-U file with fused multiword tokens.

    A fused token takes the tag of the node nearest to the root; among equals the list of
    precedence decides. Empty nodes are skipped, sentences whose forms are withheld (`_`) are
    dropped, ZWNJ and spaces inside words are removed.

    Returns:
        The sentences (ids are `sent_id`, else row numbers) and notes.

    Raises:
        DataError: wrong columns, word numbers out of order, a head outside the sentence, a tag
            outside `labels`.
    """
    order = PRECEDENCE.get(lang, PRECEDENCE[""])
    sentences: list[Tagged] = []
    fused = withheld = 0
    for number, tree in enumerate(_trees(path, labels)):
        words = _fuse(path, tree, order)
        hidden = sum(word == "_" for word, _ in words)
        if hidden and hidden >= len(words) - 1:
            withheld += 1
            continue
        fused += len(tree.spans)
        sentences.append(
            Tagged(
                id=tree.name or str(number),
                words=tuple(word.replace(ZWNJ, "").replace(" ", "") for word, _ in words),
                tags=tuple(tag for _, tag in words),
            )
        )
    notes = [f"{path.name}: {fused} multiword tokens fused"] if fused else []
    if withheld:
        notes.append(f"{path.name}: {withheld} sentences with withheld words dropped")
    return sentences, notes


def _trees(path: Path, labels: Sequence[str]) -> Iterator[Tree]:
    tree = Tree(line=1)
    for number, line in enumerate([*lines(path), ""], start=1):
        if not line.strip():
            if len(tree.forms) > 1:
                _check_heads(path, tree)
                yield tree
            tree = Tree(line=number + 1)
        elif line.startswith("#"):
            key, _, value = line[1:].partition("=")
            if key.strip() == "sent_id":
                tree.name = value.strip()
        else:
            _add(path, number, line, tree, labels)


def _add(path: Path, number: int, line: str, tree: Tree, labels: Sequence[str]) -> None:
    columns = line.split("\t")
    if len(columns) != COLUMNS:
        raise bad_row(
            path, number, f"{len(columns)} columns, expected {COLUMNS}", "CoNLL-U has 10 columns"
        )
    place, form, tag, head = columns[0], columns[1], columns[3], columns[6]
    if EMPTY_NODE.fullmatch(place):
        return
    first_text, dash, last_text = place.partition("-")
    first, last = whole_number(first_text), whole_number(last_text)
    expected = len(tree.forms)
    if first != expected or (dash and last is None):
        raise bad_row(
            path, number, f"word number {shown(place)}", f"the next word is number {expected}"
        )
    if last is not None:
        if last <= expected:
            raise bad_row(path, number, f"span {shown(place)} is empty", "first-last, growing")
        tree.spans.append((expected, last, form, number))
        return
    if labels and tag not in labels:
        raise bad_row(
            path, number, f"tag {shown(tag)} is not in the set", "known: " + " ".join(labels)
        )
    above = 0 if head == "_" else whole_number(head)
    if above is None:
        raise bad_row(path, number, f"head {shown(head)}", "a word number, or 0 for the root")
    tree.forms.append(form)
    tree.tags.append(tag)
    tree.heads.append(above)


def _check_heads(path: Path, tree: Tree) -> None:
    last = len(tree.forms) - 1
    for head in tree.heads:
        if head > last:
            raise bad_row(
                path, tree.line, f"a word has head {head}", f"the sentence ends at word {last}"
            )


def _fuse(path: Path, tree: Tree, order: Sequence[str]) -> list[tuple[str, str]]:
    """(form, tag) of each surface token."""
    words: list[tuple[str, str]] = []
    position = 1
    for first, last, form, line in tree.spans:
        if last >= len(tree.forms) or first < position:
            raise bad_row(path, line, f"span {first}-{last}", "spans lie side by side, inside")
        words.extend(zip(tree.forms[position:first], tree.tags[position:first], strict=True))
        head = min(
            range(first, last + 1), key=lambda node: (_depth(tree, node), _rank(tree, node, order))
        )
        words.append((form, tree.tags[head]))
        position = last + 1
    words.extend(zip(tree.forms[position:], tree.tags[position:], strict=True))
    return words


def _rank(tree: Tree, node: int, order: Sequence[str]) -> int:
    tag = tree.tags[node]
    return order.index(tag) if tag in order else len(order)


def _depth(tree: Tree, node: int) -> int:
    """Number of nodes above this one; a cycle is walked once."""
    above: set[int] = set()
    while node and (node := tree.heads[node]) not in above:
        above.add(node)
    return len(above)
