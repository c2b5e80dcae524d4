"""A step is suspect where its words were less likely than the agent's words usually are."""

import pytest
from traces import run

from butfor.cache.call import Call, Completion, Message, TokenLogprob
from butfor.cache.errors import ExperimentError
from butfor.cache.scripted import Scripted
from butfor.counterfactual.ranking.confidence import asked_of, confidence
from butfor.replay.trace import Trace

SAID = (("Ann", "It is a cliff."), ("Ann", "It has nine birds."), ("Ann", "So I add seven."), ("Ann", "Sixteen it is."))


def tokens(text: str, logprob: float) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(piece, logprob) for piece in text.replace(" ", " |").split("|"))


def unsure_at(trace: Trace, unsure: int) -> Trace:
    steps = [
        step.model_copy(update={"logprobs": tokens(step.output, -3.0 if step.index == unsure else -0.2)})
        for step in trace.steps
    ]
    return trace.model_copy(update={"steps": tuple(steps)})


@pytest.mark.parametrize("unsure", range(4))
def test_the_unsure_step_comes_first(unsure: int) -> None:
    ranking = confidence(unsure_at(run(*SAID), unsure))
    assert ranking[0].step == unsure
    assert ranking[0].suspicion > 0.9
    assert ranking[1].suspicion == 0
    assert "-3.00" in ranking[0].reason


def test_a_short_drop_in_a_sure_text_is_seen() -> None:
    trace = unsure_at(run(*SAID), -1)
    text = trace.steps[2].model_copy(update={"logprobs": tokens("a " * 40, -0.1) + tokens("b " * 8, -4.0)})
    trace = trace.model_copy(update={"steps": (*trace.steps[:2], text, trace.steps[3])})
    assert confidence(trace)[0].step == 2


def test_a_step_without_log_probabilities_is_not_suspected() -> None:
    trace = unsure_at(run(*SAID), 1)
    bare = trace.steps[0].model_copy(update={"logprobs": None})
    ranking = confidence(trace.model_copy(update={"steps": (bare, *trace.steps[1:])}))
    assert {entry.step: entry.reason for entry in ranking}[0] == "no token log-probabilities"


def test_a_log_without_any_is_an_error() -> None:
    with pytest.raises(ExperimentError, match="logprobs"):
        confidence(run(*SAID))


def echo(call: Call) -> Completion:
    """A server that echoes the prompt with log-probabilities, and finds seven unlikely."""
    text = call.messages[-1].text
    level = -2.5 if "seven" in text else -0.2
    return Completion(
        message=Message(role="assistant", content=text),
        logprobs=(*tokens("<prompt> and so on ", -9.0), *tokens(text, level)),
    )


def test_a_model_scores_the_recorded_text_under_its_prompt() -> None:
    provider = Scripted(echo)
    ranking = asked_of(provider, model="local")(run(*SAID))
    assert ranking[0].step == 2
    assert "-9" not in ranking[0].reason
    assert [call.messages[-1].text for call in provider.calls] == [text for _, text in SAID]
    assert provider.calls[0].params["echo"] is True


def test_a_server_that_returns_no_log_probabilities_is_named() -> None:
    with pytest.raises(ExperimentError, match="local returned no log-probabilities of step 0"):
        asked_of(Scripted(lambda call: "hm"), model="local")(run(*SAID))
