"""A function of tensors as the list of operations that it does, without those that do nothing.

The function is run once, in plain Python, and its operations are written down; so a technique may
be written in any Python, as long as what it does depends on no value. Function transforms leave
many views that change nothing and computations that are there twice, and each costs as much as
adding two small tensors does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.func import functionalize
from torch.fx import Graph, GraphModule, Node

aten = torch.ops.aten
RESHAPES = {aten.view.default, aten._unsafe_view.default}  # noqa: SLF001 - an operation's name
VIEWS = {*RESHAPES, aten.alias.default, aten.detach.default, aten.expand.default}


def traced(function: Callable[..., Any], *example: Any) -> GraphModule:
    """Return what computes as a function does, for arguments of the form of the examples.

    Args:
        function: From tensors to tensors, in any nest of tuples and dictionaries; it leaves
            nothing to chance.
        example: Arguments to trace it with; shapes and types are then fixed.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    operations = make_fx(function)(*example)  # which have no derivatives of their own any more
    # without writing into a tensor, equal operations on equal tensors are equal
    module: GraphModule = make_fx(functionalize(operations))(*example)
    tidy(module.graph)
    module.recompile()
    return module


def tidy(graph: Graph) -> None:
    """Take out views that change nothing, what is computed twice, and what nobody needs."""
    seen: dict[Any, Node] = {}
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in RESHAPES and node.args[0].target in RESHAPES:
            node.args = (node.args[0].args[0], *node.args[1:])
        if node.target in VIEWS and alike(node, node.args[0]):
            same = node.args[0]
        else:
            same = seen.setdefault(identity(node), node)
        if same is not node:
            node.replace_all_uses_with(same)
            graph.erase_node(node)
    graph.eliminate_dead_code()


def alike(node: Node, other: Any) -> bool:
    """Return whether two tensors have one shape, and lie in memory alike."""
    one, two = node.meta["val"], other.meta["val"]
    return (one.shape, one.stride()) == (two.shape, two.stride())


def identity(node: Node) -> Any:
    """Return what operations have in common whose results are equal."""
    return node.target, repr(node.args), repr(sorted(node.kwargs.items()))
