"""The conversation graph: who read what, and what a changed step can reach."""

from collections.abc import Iterable

import networkx as nx

from .trace import Trace


def conversation_graph(trace: Trace) -> "nx.DiGraph[int]":
    """A directed graph of the run: a node per step, an edge from a step to each step that read it.

    Nodes carry `agent` and `kind`; edges carry `basis`, what the edge rests on. What a step knows through its
    agent's memory is one edge of basis `memory` from the step it carries on from, so that the graph grows
    with what was said, not with its square; `Trace.context` gives the full list.

    Example:
        >>> from butfor.scenarios import scenario
        >>> graph = conversation_graph(scenario("relay").record())
        >>> sorted(graph.successors(0))
        [1, 2, 3]
    """
    graph: nx.DiGraph[int] = nx.DiGraph()
    for step in trace.steps:
        graph.add_node(step.index, agent=step.agent, kind=step.kind)
        graph.add_edges_from((read.step, step.index, {"basis": read.basis}) for read in step.reads)
        if step.continues is not None:
            graph.add_edge(step.continues, step.index, basis="memory")
    return graph


def descendants(trace: Trace, changed: Iterable[int]) -> frozenset[int]:
    """The steps that a change of these steps can reach, themselves left out.

    Equal to `networkx.descendants` on `conversation_graph`, in one pass over the steps and without the graph.
    """
    start = frozenset(changed)
    reached = set(start)
    for step in trace.steps:
        if step.continues in reached or any(read.step in reached for read in step.reads):
            reached.add(step.index)
    return frozenset(reached - start)


def ancestors(trace: Trace, reached: Iterable[int]) -> frozenset[int]:
    """The steps whose change can reach one of these, which are among them.

    Equal to `networkx.ancestors` on `conversation_graph` and the steps themselves, in one pass from the end.
    """
    found = set(reached)
    for step in reversed(trace.steps):
        if step.index in found:
            found.update(read.step for read in step.reads)
            if step.continues is not None:
                found.add(step.continues)
    return frozenset(found)
