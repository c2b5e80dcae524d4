"""The combined order is the learned one, moved by whatever else is at hand."""

from labelled import chats

from butfor.cache.call import TokenLogprob
from butfor.counterfactual.ranking.combined import combined, combining
from butfor.counterfactual.ranking.learned import Model, learned, shipped_model
from butfor.counterfactual.ranking.suspicion import Suspicion
from butfor.replay.trace import Trace

TRACE = chats(1)[0].blind()


def test_with_nothing_else_it_is_the_learned_order() -> None:
    assert combined(TRACE) == learned(TRACE)


def test_successful_runs_move_the_order() -> None:
    innocent = combining(successes=[TRACE])(TRACE)
    assert {e.step: e.suspicion for e in innocent} != {e.step: e.suspicion for e in learned(TRACE)}
    assert all(entry.suspicion <= 0.5 for entry in innocent)


def test_recorded_log_probabilities_move_the_order() -> None:
    last = len(TRACE.steps) - 1
    levels = [-4.0 if step.index == last else -0.1 for step in TRACE.steps]
    steps = [
        step.model_copy(update={"logprobs": (TokenLogprob("x", level),) * 9})
        for step, level in zip(TRACE.steps, levels, strict=True)
    ]
    before = {e.step: place for place, e in enumerate(learned(TRACE))}[last]
    after = combined(TRACE.model_copy(update={"steps": tuple(steps)}))
    assert {e.step: place for place, e in enumerate(after)}[last] < before


def test_a_further_ranker_and_another_model_count() -> None:
    def last_step(trace: Trace, /) -> list[Suspicion]:
        step = trace.steps[-1]
        return [Suspicion(step=step.index, agent=step.agent, suspicion=1.0, reason="read by a model")]

    own = Model(chat=shipped_model().chat)
    ranking = combining(model=own, also=[last_step])(TRACE)
    told = {entry.step: entry for entry in ranking}[len(TRACE.steps) - 1]
    assert told.suspicion >= 0.5
    assert "read by a model" in told.reason
