"""Who read whom, from ids and texts in recorded inputs, and from the rules of hearing where there are none."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from butfor.cache.call import Call, Message, ToolCall
from butfor.replay.reading.edges import linked
from butfor.replay.reading.messages import question_to_tool
from butfor.replay.trace import Read, Step, context


def _call(*texts: str, role: str = "user", **params: str) -> Call:
    messages = tuple(Message.model_validate({"role": role, "content": text}) for text in texts)
    return Call(model="m", messages=messages, params=params)


def _steps(*steps: Step) -> tuple[Step, ...]:
    return linked([step.model_copy(update={"index": index}) for index, step in enumerate(steps)])


def _said(agent: str, output: str, call: Call | None = None, *calls: ToolCall) -> Step:
    return Step(index=0, agent=agent, output=output, call=call, tool_calls=calls)


FACT = "The population of Paris is 2,102,650."


@pytest.mark.parametrize(
    ("prompt", "reads"),
    [
        (FACT, True),
        (f"Write about this:\n{FACT}\nBe brief.", True),
        (f"<<{FACT}>>", True),
        ("The population of Paris is 3,000,000.", False),
        ("", False),
    ],
)
def test_a_text_that_stands_in_the_input_was_read(prompt: str, reads: bool) -> None:
    *_, last = _steps(_said("a", FACT, _call("Go.")), _said("b", "Done.", _call(prompt)))
    assert last.reads == ((Read(0, "verbatim"),) if reads else ())


@pytest.mark.parametrize(
    ("prompt", "reads"),
    [("4", True), ("The answer:\n4\nIs it right?", True), ("Is 42 right?", False), ("4 of 5", False)],
)
def test_a_short_text_has_to_stand_alone(prompt: str, reads: bool) -> None:
    *_, last = _steps(_said("a", "4", _call("Go.")), _said("b", "Done.", _call(prompt)))
    assert (last.reads != ()) == reads


def test_a_question_that_somebody_repeats_was_not_read_from_them() -> None:
    """The text stood in the inputs before anybody had said it."""
    question = _call("How many people live in Paris?")
    *_, last = _steps(
        _said("a", "How many people live in Paris?", question),
        _said("b", "I do not know.", question),
    )
    assert last.reads == ()


def test_the_same_text_twice_is_as_many_steps_as_messages() -> None:
    """Two workers answered alike; each one's next prompt holds its own answer only."""
    first = _said("a", "The answer is forty-two.", _call("Go."))
    second = _said("b", "The answer is forty-two.", _call("Go."))
    after = _call("Go.", "The answer is forty-two.")
    assert _steps(first, second, _said("b", "Sure.", after))[2].continues == 1
    assert _steps(first, second, _said("a", "Sure.", after))[2].continues == 0
    both = _call("Go.", "The answer is forty-two.", "The answer is forty-two.")
    assert _steps(first, second, _said("c", "Sure.", both))[2].reads == (Read(0, "verbatim"), Read(1, "verbatim"))


def test_an_id_in_the_text_of_a_prompt_is_an_id() -> None:
    call = ToolCall(id="call_0fe93355", name="look", arguments="{}")
    printed = _call("Calling tools: [{'id': 'call_0fe93355', …")
    *_, last = _steps(_said("a", "", _call("Go."), call), _said("b", "Done.", printed))
    assert last.reads == (Read(0, "tool call"),)


def test_arguments_that_a_started_agent_is_asked_with() -> None:
    """An agent as a tool finds the call's arguments in its question, unless everybody had them before."""
    handed = ToolCall(id="1", name="ask", arguments=json.dumps({"task": "Count the people of Paris."}))
    *_, last = _steps(
        _said("a", "", _call("Help me with a task."), handed),
        _said("b", "Done.", _call("Current task: Count the people of Paris.")),
    )
    assert last.reads == (Read(0, "verbatim"),)
    *_, last = _steps(
        _said("a", "", _call("Count the people of Paris. Please."), handed),
        _said("b", "Done.", _call("Current task: Count the people of Paris.")),
    )
    assert last.reads == ()


def test_a_response_that_is_gone_on_from_brings_what_it_had_read() -> None:
    steps = [
        _said("a", FACT, _call("Go.")),
        _said("b", "Noted, thank you.", _call(FACT)),
        _said("c", "Done.", _call("And now?", previous_response_id="resp_1")),
    ]
    numbered = [step.model_copy(update={"index": index}) for index, step in enumerate(steps)]
    *_, last = linked(numbered, responses={"resp_1": 1})
    assert last.reads == (Read(0, "response id"), Read(1, "response id"))


def test_a_tool_reads_its_call_and_its_asker_reads_the_result() -> None:
    call = ToolCall(id="c", name="look", arguments="{}")
    tool = Step(index=0, agent="look", kind="tool", output="x", call=question_to_tool(call), audience=("a",))
    answered = Call(model="m", messages=(Message(role="tool", content="x", tool_call_id="c"),))
    steps = _steps(_said("a", "", _call("Go."), call), tool, _said("a", "Done.", answered))
    assert [step.reads for step in steps] == [(), (Read(0, "tool call"),), (Read(1, "tool call"),)]
    assert steps[2].continues == 0


def test_ids_that_are_used_twice_belong_to_the_agent_that_used_them_last() -> None:
    call = ToolCall(id="call_0", name="look", arguments="{}")
    tool = Step(index=0, agent="look", kind="tool", output="seen", call=question_to_tool(call))
    steps = _steps(_said("a", "", _call("Go."), call), tool, _said("b", "", _call("Look."), call), tool)
    assert (steps[1].reads, steps[3].reads) == ((Read(0, "tool call"),), (Read(2, "tool call"),))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.booleans()), min_size=1, max_size=12))
def test_in_a_shared_history_everybody_reads_everything(said: list[tuple[str, int, bool]]) -> None:
    """However it is written down, with `continues` or without, what each step had read comes out whole."""
    history: list[Message] = [Message(role="user", content="Go.")]
    steps: list[Step] = []
    for index, (agent, number, _) in enumerate(said):
        text = f"This is what {agent} says: {number} and {index}."
        steps.append(_said(agent, text, Call(model="m", messages=tuple(history))))
        history.append(Message(role="user", content=text))
    found = _steps(*steps)
    assert [context(found, step.index) for step in found] == [tuple(range(i)) for i in range(len(found))]


def test_a_long_shared_history_is_linked_in_time() -> None:
    """Twenty agents, 300 steps of 2 KB: the search is once per text, and `continues` keeps the links few."""
    history: list[Message] = [Message(role="user", content="Go.")]
    steps: list[Step] = []
    for index in range(300):
        text = f"{index}: " + "word " * 400
        steps.append(_said(f"agent {index % 20}", text, Call(model="m", messages=tuple(history))))
        history.append(Message(role="user", content=text))
    began = time.process_time()
    found = _steps(*steps)
    assert time.process_time() - began < 10
    assert context(found, 299) == tuple(range(299))
    assert sum(len(step.reads) for step in found) < 300 * 20
