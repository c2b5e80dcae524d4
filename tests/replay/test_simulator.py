"""The simulator: a run with no edits is the run, and an edit reaches its descendants and nobody else."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from traces import addressed, conversations, graphs, inventive, run, told, trace_of

from butfor.cache.call import Call, Message
from butfor.cache.errors import CacheMiss
from butfor.cache.scripted import Scripted
from butfor.replay.cast import Cast
from butfor.replay.executor import rerun
from butfor.replay.graph import descendants
from butfor.replay.importers import import_log
from butfor.replay.replayed import Edits
from butfor.replay.simulator import Simulator, asked
from butfor.replay.trace import Agent, Read, Step, Team, Trace

LOGS = Path(__file__).parents[1] / "logs" / "who_and_when"


def changed(trace: Trace, again: Trace) -> list[int]:
    pairs = zip(trace.steps, again.steps, strict=True)
    return [step.index for step, new in pairs if new != step]


@given(graphs() | conversations())
def test_without_edits_the_run_is_the_run(trace: Trace) -> None:
    again = rerun(trace, executor=Simulator())
    assert again.to_json() == trace.to_json()


@given(graphs() | conversations(), st.data())
def test_an_edit_reaches_its_descendants_and_nobody_else(trace: Trace, data: st.DataObject) -> None:
    trace = trace.model_copy(update={"team": Team()})
    playing = [step.index for step in trace.steps if step.kind in ("llm", "tool")]
    assume(playing)
    step = data.draw(st.sampled_from(playing))
    again = rerun(trace, Edits(answers={step: "edited!"}), executor=Simulator(), live=inventive())
    reached = {s for s in descendants(trace, [step]) if s in playing}
    assert set(changed(trace, again)) <= reached | {step}
    assert again.steps[step].output == "edited!"
    assert again.steps[step].origin == "edited"
    for other in reached:
        if step in trace.context(other):
            assert again.steps[other].origin == "live"


@given(graphs() | conversations(), st.data())
def test_drawing_descendants_again_leaves_all_others(trace: Trace, data: st.DataObject) -> None:
    trace = trace.model_copy(update={"team": Team()})
    playing = [step.index for step in trace.steps if step.kind in ("llm", "tool")]
    assume(playing)
    step = data.draw(st.sampled_from(playing))
    again_too = descendants(trace, [step]) & set(playing)
    edits = Edits(answers={step: trace.steps[step].output}, redraw=again_too)
    again = rerun(trace, edits, executor=Simulator(), live=inventive())
    assert set(changed(trace, again)) == again_too | {step}


@given(graphs(), st.data())
def test_what_was_recorded_given_again_changes_nothing(trace: Trace, data: st.DataObject) -> None:
    playing = [step.index for step in trace.steps if step.kind in ("llm", "tool")]
    assume(playing)
    step = data.draw(st.sampled_from(playing))
    again = rerun(trace, Edits(answers={step: trace.steps[step].output}), executor=Simulator())
    assert [s.output for s in again.steps] == [s.output for s in trace.steps]


def test_what_an_agent_is_asked() -> None:
    trace = addressed(("Ann", "hello", None), ("Bob", "plan", ()), ("Bob", "go", ("Ann",)), ("Ann", "done", None))
    agents = (Agent(name="Ann", system_prompt="Be brief."), Agent(name="Bob", description="The planner."))
    trace = trace.model_copy(update={"agents": agents})
    call = asked(trace, 3)
    assert [(m.role, m.content) for m in call.messages] == [
        ("system", "Be brief."),
        ("user", "The task:\nWhat is 2 + 2?"),
        ("assistant", "hello"),
        ("user", "Bob:\ngo"),
        ("user", "You are Ann. Write your next message to the team."),
    ]
    assert (call.agent, call.step, call.model) == ("Ann", 3, "recorded")
    thought = asked(trace, 1).messages
    assert thought[0].text.endswith("works on a task together. The planner.")
    assert "private thought" in thought[-1].text
    assert "to Ann only" in asked(trace, 2).messages[-1].text


def test_the_task_is_not_told_twice() -> None:
    trace = run(("User", "What is 2 + 2? Please."), ("Ann", "4"))
    assert told(asked(trace, 1)).count("What is 2 + 2?") == 1


def test_a_tool_is_asked_with_the_message_that_calls_it() -> None:
    trace = run(("Ann", "hello"), ("Ann", "print(4)"), ("Tool", "4"))
    call = asked(trace, 2)
    assert (call.model, told(call)) == ("tool:Tool", "print(4)")


def test_a_tool_keeps_its_result_while_its_call_is_unchanged() -> None:
    trace = run(("Ann", "think"), ("Bob", "print(4)"), ("Tool", "4"), ("Bob", "so 4"))
    edits = Edits(answers={0: "think hard"}, redraw=frozenset({1, 3}))
    same = Scripted(lambda call: "print(4)" if call.step == 1 else "so it is 4")
    again = rerun(trace, edits, executor=Simulator(), live=Cast(same, default="m"))
    assert [step.origin for step in again.steps] == ["edited", "live", "recorded", "live"]
    other = Scripted(lambda call: "print(5)" if call.step == 1 else "played")
    again = rerun(trace, edits, executor=Simulator(), live=Cast(other, default="m", tools="model"))
    assert [step.origin for step in again.steps] == ["edited", "live", "simulated", "live"]


def test_a_thought_reaches_only_who_had_it() -> None:
    trace = addressed(("Ann", "secret", ()), ("Bob", "hi", None), ("Ann", "bye", None), ("Bob", "hm", None))
    again = rerun(trace, Edits(answers={0: "edited"}), executor=Simulator(), live=inventive())
    assert changed(trace, again) == [0, 2, 3]


def test_people_and_the_framework_say_what_they_said() -> None:
    trace = run(("Ann", "4?"), ("User", "Sure?"), ("Runtime", "Next speaker Ann"), ("Ann", "4!"))
    again = rerun(trace, Edits(answers={0: "5?"}), executor=Simulator(), live=inventive())
    assert changed(trace, again) == [0, 3]


STOPPING = run(("Ann", "a"), ("Bob", "b"), ("Ann", "c"), ("Bob", "DONE"), team=Team(stop_word="DONE"))


def test_a_changed_step_that_says_the_stop_word_ends_the_run() -> None:
    again = rerun(STOPPING, Edits(answers={1: "b. DONE"}), executor=Simulator(), live=inventive())
    assert [step.output for step in again.steps] == ["a", "b. DONE"]


def test_a_run_that_went_on_after_the_stop_word_goes_on_after_it_again() -> None:
    trace = run(("Ann", "a"), ("Bob", "say DONE"), ("Ann", "c"), team=Team(stop_word="DONE"))
    again = rerun(trace, Edits(answers={1: "say DONE"}), executor=Simulator())
    assert len(again.steps) == 3


@pytest.mark.parametrize("log", sorted(LOGS.glob("*.json")), ids=lambda path: path.stem)
def test_in_real_logs_what_was_recorded_given_again_changes_nothing(log: Path) -> None:
    trace = import_log(log)
    simulator = Simulator()
    recording = simulator.recording(trace)
    assert rerun(trace, executor=simulator, recording=recording).to_json() == trace.to_json()
    for entry in recording.recorded:
        edits = Edits(answers={entry.step: trace.steps[entry.step].output})
        again = rerun(trace, edits, executor=simulator, recording=recording)
        assert [s.output for s in again.steps] == [s.output for s in trace.steps]


def recorded_calls() -> Trace:
    """A run whose log holds each question: Bob is shown what Ann said, and a number like it."""
    question = Call(
        model="openai:a",
        messages=(
            Message(role="system", content="There are 14 rules, and 4 of them matter."),
            Message(role="user", content="Ann said: 4"),
        ),
        params={"temperature": 0},
    )
    first = Call(model="openai:a", messages=(Message(role="user", content="Go."),))
    reads = (Read(0, "verbatim"),)
    return trace_of(
        [
            Step(index=0, agent="Ann", output="4", call=first),
            Step(index=1, agent="Bob", output="It is 4.", call=question, reads=reads),
            Step(index=2, agent="Cat", output="Fine.", call=first, reads=(Read(1, "order"),)),
        ],
        fidelity="messages",
    )


def test_a_recorded_question_is_asked_as_it_was() -> None:
    trace = recorded_calls()
    call = asked(trace, 1)
    assert trace.steps[1].call is not None
    assert call.messages == trace.steps[1].call.messages
    assert call.params == {"temperature": 0}
    assert rerun(trace, executor=Simulator()) == trace


def test_a_recorded_question_is_asked_with_what_its_inputs_say_now() -> None:
    live = inventive()
    again = rerun(recorded_calls(), Edits(answers={0: "5"}), executor=Simulator(), live=live)
    assert told(live.calls[0]).endswith("Ann said: 5")
    assert "14 rules" in told(live.calls[0])
    assert changed(recorded_calls(), again) == [0, 1]


def test_a_branch_holds_the_questions_that_it_asked() -> None:
    again = rerun(recorded_calls(), Edits(answers={0: "5"}), executor=Simulator(), live=inventive())
    assert told(asked(again, 1)).endswith("Ann said: 5")


def test_a_branch_can_be_checked_like_any_run() -> None:
    trace = run(("Ann", "a"), ("Bob", "b"), ("Tool", "c"), ("Ann", "d"))
    again = rerun(trace, Edits(answers={0: "x"}), executor=Simulator(), live=inventive())
    assert rerun(again, executor=Simulator()) == again
    with pytest.raises(CacheMiss):
        rerun(again, Edits(answers={0: "y"}), executor=Simulator())
