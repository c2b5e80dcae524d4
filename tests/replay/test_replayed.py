"""A recording answers as it did, an edit changes only what follows from it, nothing goes live by surprise."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from traces import addressed, run

from butfor.cache.call import Call, Completion, Message, answer
from butfor.cache.errors import CacheMiss, Divergence
from butfor.cache.provider import Offline, Provider
from butfor.cache.scripted import Scripted
from butfor.replay.executor import rerun
from butfor.replay.replayed import Edits, Recorded, Recording, Replayed
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Trace


def asked(text: str, *, step: int | None = None, agent: str | None = None) -> Call:
    return Call(model="m", messages=(Message(role="user", content=text),), step=step, agent=agent)


def recording(*questions: str) -> Recording:
    """A recording in which the n-th question, asked in step n, was answered `QUESTION!n`."""
    return Recording(
        [Recorded(n, asked(text), answer(f"{text}!{n}", origin="recorded")) for n, text in enumerate(questions)]
    )


def replayed(recorded: Recording, live: Provider | None = None, **edits: object) -> Replayed:
    return Replayed(recorded, Edits.model_validate(edits), live=live or Offline())


def texts(provider: Provider, calls: Sequence[Call]) -> list[str]:
    return [provider.complete(call).text for call in calls]


def never(call: Call) -> str:
    raise AssertionError(f"asked live: {call.messages[0].text}")


def test_every_call_gets_the_answer_it_got_in_any_order() -> None:
    provider = replayed(recording("a", "b", "c"))
    assert texts(provider, [asked("c"), asked("a"), asked("b")]) == ["c!2", "a!0", "b!1"]


def test_an_answer_is_given_once_and_in_order() -> None:
    provider = replayed(recording("a", "a"))
    assert texts(provider, [asked("a"), asked("a")]) == ["a!0", "a!1"]
    with pytest.raises(Divergence):
        provider.complete(asked("a"))


def test_a_call_that_was_never_recorded_is_a_divergence_that_explains_itself() -> None:
    live = Scripted(never)
    provider = replayed(recording("a", "What is the sum of 2 and 2?"), live)
    with pytest.raises(Divergence) as caught:
        provider.complete(asked("What is the sum of 2 and 3?", agent="Ann"))
    said = str(caught.value)
    assert "(Ann), before anything was changed" in said
    assert "-What is the sum of 2 and 2?" in said
    assert "+What is the sum of 2 and 3?" in said
    assert "Likely cause: a number that changes" in said
    assert live.calls == []


def test_an_edited_step_says_what_it_was_told_to() -> None:
    live = Scripted(["news"])
    provider = replayed(recording("a", "b", "c"), live, answers={1: "edited"})
    answers = [provider.complete(asked(text)) for text in ("a", "b", "about edited", "c")]
    assert [a.text for a in answers] == ["a!0", "edited", "news", "c!2"]
    assert [a.origin for a in answers] == ["recorded", "edited", "live", "recorded"]
    live.close()


def test_before_the_edit_nothing_goes_live() -> None:
    provider = replayed(recording("a", "b"), Scripted(never), answers={1: "edited"})
    with pytest.raises(Divergence):
        provider.complete(asked("unknown"))


def test_an_answer_that_was_used_up_is_asked_anew_after_an_edit() -> None:
    live = Scripted(["new"])
    provider = replayed(recording("a", "b"), live, answers={0: "edited"})
    assert texts(provider, [asked("a"), asked("b"), asked("b")]) == ["edited", "b!1", "new"]


def test_a_step_to_be_drawn_again_is_asked_live() -> None:
    live = Scripted(["again"])
    provider = replayed(recording("a", "b"), live, redraw=[0])
    assert texts(provider, [asked("a"), asked("b")]) == ["again", "b!1"]


def test_an_edited_step_is_known_by_its_place_once_its_question_changed() -> None:
    live = Scripted(["live"])
    provider = replayed(recording("a", "b", "c"), live, answers={0: "x", 2: "y"})
    calls = [asked("a", step=0), asked("b, after x", step=1), asked("c, after x", step=2)]
    assert texts(provider, calls) == ["x", "live", "y"]


def test_equal_questions_of_two_steps_keep_their_own_answers_when_one_of_them_changed() -> None:
    live = Scripted(["live"])
    provider = replayed(recording("start", "same", "same"), live, answers={0: "x"})
    calls = [asked("start", step=0), asked("same, after x", step=1), asked("same", step=2)]
    assert texts(provider, calls) == ["x", "live", "same!2"]


def test_a_thread_s_unknown_call_never_goes_live() -> None:
    live = Scripted(never)
    provider = replayed(recording(*"abcdefgh"), live, answers={7: "edited"})

    def ask(text: str) -> str:
        try:
            return provider.complete(asked(text)).text
        except Divergence:
            return "diverged"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, "aXbYcZ"))
    assert found == ["a!0", "diverged", "b!1", "diverged", "c!2", "diverged"]
    assert live.calls == []


def test_threads_share_out_equal_answers() -> None:
    provider = replayed(recording(*["a"] * 100))
    with ThreadPoolExecutor(8) as pool:
        found = [c.text for c in pool.map(lambda _: provider.complete(asked("a")), range(100))]
    assert sorted(found) == sorted(f"a!{n}" for n in range(100))


class Threaded:
    """An executor that asks every call of a run from a thread of its own, and one that nobody recorded."""

    def recording(self, trace: Trace) -> Recording:
        return Simulator().recording(trace)

    def run(self, trace: Trace, provider: Provider) -> Trace:
        calls = [entry.call for entry in self.recording(trace).recorded]
        failures: list[Exception] = []

        def ask(call: Call) -> None:
            try:
                provider.complete(call)
            except Divergence as error:
                failures.append(error)

        threads = [threading.Thread(target=ask, args=(call,)) for call in [*calls, asked("surprise")]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(failures) == 1
        return trace


def test_a_program_with_threads_is_replayed_without_a_live_call() -> None:
    live = Scripted(never)
    rerun(run(("Ann", "a"), ("Bob", "b"), ("Tool", "c")), executor=Threaded(), live=live)
    assert live.calls == []


def test_without_a_live_side_an_edited_run_says_what_is_missing() -> None:
    trace = run(("Ann", "a"), ("Bob", "b"))
    with pytest.raises(CacheMiss, match="no stored answer for Bob"):
        rerun(trace, Edits(answers={0: "x"}), executor=Simulator())


def test_an_edit_shifts_no_call_that_does_not_depend_on_it() -> None:
    """Sixty workers, an edit of the first: only its reader is asked anew."""
    workers = [(f"Worker{n}", f"result {n}", (f"Reader{n}",)) for n in range(60)]
    readers = [(f"Reader{n}", f"read {n}", ()) for n in range(60)]
    live = Scripted(["changed"])
    again = rerun(addressed(*workers, *readers), Edits(answers={0: "x"}), executor=Simulator(), live=live)
    assert [step.index for step in again.steps if step.origin != "recorded"] == [0, 60]
    live.close()


def test_the_recording_is_never_touched() -> None:
    trace = run(("Ann", "a"), ("Bob", "b"), ("Ann", "c"))
    before = trace.to_json()
    simulator = Simulator()
    shared = simulator.recording(trace)
    for step in range(3):
        again = rerun(
            trace,
            Edits(answers={step: "x"}),
            executor=simulator,
            live=Scripted(lambda call: "new"),
            recording=shared,
        )
        assert again.to_json() != before
    assert trace.to_json() == before
    assert rerun(trace, executor=simulator, recording=shared) == trace


def test_no_edits_are_false() -> None:
    assert not Edits()
    assert Edits(answers={0: ""})
    assert Edits(redraw=frozenset({0}))


def test_the_answer_is_the_recorded_one_with_everything_in_it() -> None:
    full = Completion(
        message=Message(role="assistant", content="a"),
        raw='{"id": 1}',
        finish_reason="stop",
        origin="recorded",
    )
    provider = replayed(Recording([Recorded(0, asked("a"), full)]))
    assert provider.complete(asked("a")) is full
