"""Editing a graph: who makes and who takes a tensor, constants, and what is left when nodes go."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import TopologicalSorter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

__all__ = ["MICROSOFT", "Editor", "attribute"]

MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators

Array = NDArray[Any]
SMALL = 4096  # numbers of a constant that is read again and again


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """The value of an attribute of a node, or the default."""
    for one in node.attribute:
        if one.name == name:
            return helper.get_attribute_value(one)
    return default


class Editor:
    """A graph that is being changed.

    Args:
        model: changed in place by `finish`.

    Attributes:
        maker: tensor -> the node that makes it.
        takers: tensor -> the nodes that take it.
    """

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.graph: GraphProto = model.graph
        self.maker: dict[str, NodeProto] = {}
        self.takers: dict[str, list[NodeProto]] = {}
        self._tensors = {tensor.name: tensor for tensor in self.graph.initializer}
        self._arrays: dict[str, Array] = {}
        self._new_tensors: list[TensorProto] = []
        self._new_nodes: list[NodeProto] = []
        self._made: set[str] = set()
        self._share_constants()
        for node in self.graph.node:
            for name in node.output:
                self.maker[name] = node
            for name in node.input:
                self.takers.setdefault(name, []).append(node)

    def _share_constants(self) -> None:
        """Let nodes read a constant itself, not an Identity of it.

        PyTorch's exporter writes equal weights once (all the zero biases of a new model), and an
        Identity for each other name of them.
        """
        same: dict[str, str] = {}
        for node in self.graph.node:
            if node.op_type == "Identity":
                source = same.get(node.input[0], node.input[0])
                if source in self._tensors:
                    same[node.output[0]] = source
        for node in self.graph.node:
            for place, name in enumerate(node.input):
                if name in same:
                    node.input[place] = same[name]

    @property
    def output_names(self) -> set[str]:
        """Names of the graph's outputs."""
        return {value.name for value in self.graph.output}

    def constant(self, name: str) -> Array | None:
        """The value of an initializer or a Constant node; None for what is computed."""
        if name in self._arrays:
            return self._arrays[name]
        tensor = self._tensors.get(name)
        if tensor is None:
            node = self.maker.get(name)
            if node is None or node.op_type != "Constant":
                return None
            tensor = attribute(node, "value")
            if tensor is None:
                return None
        array: Array = numpy_helper.to_array(tensor)
        if array.size <= SMALL:  # the copy of a weight is for its reader alone
            self._arrays[name] = array
        return array

    def weights(self, name: str) -> NDArray[np.float32]:
        """The values of what is known to be a constant, in fp32."""
        value = self.constant(name)
        assert value is not None
        return value.astype(np.float32, copy=False)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a constant, without its values being read."""
        tensor = self._tensors.get(name)
        if tensor is not None:
            return tuple(tensor.dims)
        value = self.constant(name)
        return None if value is None else value.shape

    def only_taker(self, name: str) -> NodeProto | None:
        """The one node that takes a tensor; None when there are others or none."""
        takers = self.takers.get(name, [])
        return takers[0] if len(takers) == 1 and name not in self.output_names else None

    def weight(self, name: str, array: Array) -> str:
        """Add a constant; gives its name."""
        self._name(name)
        self._new_tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(
        self, kind: str, inputs: Iterable[str], output: str, *, domain: str = "", **attributes: Any
    ) -> str:
        """Add a node with one output; gives the output's name. It replaces an older maker."""
        return self.nodes(kind, inputs, [output], domain=domain, **attributes)[0]

    def nodes(
        self,
        kind: str,
        inputs: Iterable[str],
        outputs: list[str],
        *,
        domain: str = "",
        **attributes: Any,
    ) -> list[str]:
        """Add a node with several outputs; gives their names."""
        made = helper.make_node(
            kind, list(inputs), outputs, name=f"{outputs[0]}/{kind}", domain=domain, **attributes
        )
        for output in outputs:
            self._name(output)
        self._new_nodes.append(made)
        return outputs

    def _name(self, name: str) -> None:
        if name in self._made:
            raise ValueError(f"two new tensors are called {name}")
        self._made.add(name)

    def finish(self) -> ModelProto:
        """Put the new nodes in, drop what no output needs any more, and order the rest.

        Nodes that use `com.microsoft` make the model import that domain.
        """
        kept = [n for n in self.graph.node if not self._made.intersection(n.output)]
        nodes = _needed([*kept, *self._new_nodes], self.output_names)
        tensors = {tensor.name: tensor for tensor in [*self.graph.initializer, *self._new_tensors]}
        used = {name for node in nodes for name in node.input}
        left = [tensor for name, tensor in tensors.items() if name in used]
        ordered = _ordered(nodes)
        del self.graph.node[:]
        self.graph.node.extend(ordered)
        copies = [TensorProto.FromString(tensor.SerializeToString()) for tensor in left]
        del self.graph.initializer[:]
        self.graph.initializer.extend(copies)
        del self.graph.value_info[:]
        domains = {item.domain for item in self.model.opset_import}
        if MICROSOFT not in domains and any(n.domain == MICROSOFT for n in ordered):
            self.model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        return self.model


def _needed(nodes: list[NodeProto], outputs: set[str]) -> list[NodeProto]:
    maker = {name: n for n, node in enumerate(nodes) for name in node.output if name}
    wanted, found = [maker[name] for name in outputs if name in maker], set[int]()
    while wanted:
        place = wanted.pop()
        if place not in found:
            found.add(place)
            wanted += [maker[name] for name in nodes[place].input if name in maker]
    return [NodeProto.FromString(nodes[place].SerializeToString()) for place in sorted(found)]


def _ordered(nodes: list[NodeProto]) -> list[NodeProto]:
    """Nodes after what they take.

    Raises:
        CycleError: a node takes what is made from its own output.
    """
    maker = {name: n for n, node in enumerate(nodes) for name in node.output if name}
    order = TopologicalSorter(
        {n: [maker[i] for i in node.input if i in maker] for n, node in enumerate(nodes)}
    )
    return [nodes[place] for place in order.static_order()]
