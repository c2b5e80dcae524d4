"""The conversation graph: one edge for each thing read, and descendants that agree with networkx."""

import doctest
import time

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st
from traces import addressed, conversations, graphs, run

from butfor.replay import graph as module
from butfor.replay.graph import conversation_graph, descendants
from butfor.replay.trace import Trace


def test_nodes_and_edges_say_who_what_and_why() -> None:
    trace = addressed(("User", "question", None), ("Ann", "plan", ()), ("Ann", "do", ("Bob",)), ("Bob", "done", None))
    graph = conversation_graph(trace)
    assert {node: graph.nodes[node] for node in graph} == {
        0: {"agent": "User", "kind": "human"},
        1: {"agent": "Ann", "kind": "llm"},
        2: {"agent": "Ann", "kind": "llm"},
        3: {"agent": "Bob", "kind": "llm"},
    }
    assert set(graph.edges(data="basis")) == {
        (0, 1, "broadcast"),
        (1, 2, "memory"),
        (0, 3, "broadcast"),
        (2, 3, "addressee"),
    }


@given(graphs() | conversations())
def test_what_reaches_a_step_is_its_context_and_theirs(trace: Trace) -> None:
    graph = conversation_graph(trace)
    assert nx.is_directed_acyclic_graph(graph)
    for step in trace.steps:
        assert set(trace.context(step.index)) <= nx.ancestors(graph, step.index)
        direct = set(graph.predecessors(step.index))
        assert direct == {read.step for read in step.reads} | ({step.continues} - {None})


@given(graphs(most=14), st.data())
def test_descendants_are_those_of_networkx(trace: Trace, data: st.DataObject) -> None:
    graph = conversation_graph(trace)
    changed = data.draw(st.sets(st.integers(0, len(trace.steps) - 1), max_size=3))
    expected = set().union(*(nx.descendants(graph, step) for step in changed)) - changed
    assert descendants(trace, changed) == expected


@given(graphs(most=14))
def test_a_context_is_found_by_walking_back(trace: Trace) -> None:
    def walked(index: int) -> set[int]:
        step = trace.steps[index]
        own = {read.step for read in step.reads}
        return own if step.continues is None else own | {step.continues} | walked(step.continues)

    for step in trace.steps:
        assert trace.context(step.index) == tuple(sorted(walked(step.index)))


def test_the_example_in_the_documentation_is_true() -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


def test_a_long_run_s_graph_is_built_in_time() -> None:
    names = ("Ann", "Bob", "Cat", "Tool")
    trace = run(*((names[n % 4], f"message {n}") for n in range(10_000)))
    started = time.perf_counter()
    graph = conversation_graph(trace)
    assert time.perf_counter() - started < 10
    assert graph.number_of_nodes() == 10_000
