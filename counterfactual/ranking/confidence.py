"""How sure the models were of what they wrote: token log-probabilities, recorded or asked of a model afterwards."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import exp
from statistics import fmean, median

from butfor.cache.call import Call, Message, TokenLogprob
from butfor.cache.errors import ExperimentError
from butfor.cache.provider import Provider
from butfor.replay.prompt import prompt
from butfor.replay.trace import Trace

from .suspicion import Suspicion, blameable, ordered

_WINDOW = 8
"""Tokens; one unlikely word is style, a stretch of them is doubt."""
_SCALE = 1.0
"""Nats per token below the agent's own level at which the suspicion is about three quarters."""
_UNKNOWN = "no token log-probabilities"


def confidence(trace: Trace, /) -> tuple[Suspicion, ...]:
    """Rank the steps by how unsure the model was, against the agent's own level.

    Raises:
        ExperimentError: no step of the run has log-probabilities.
    """
    recorded = {step.index: step.logprobs for step in trace.steps if step.logprobs and step.kind != "human"}
    if not recorded:
        raise ExperimentError(
            "the log holds no token log-probabilities; record with logprobs on, or name a model that scores the text"
        )
    return _ranked(trace, recorded)


def asked_of(provider: Provider, *, model: str) -> "partial[tuple[Suspicion, ...]]":
    """The ranker that has a model score the recorded text of each step under its prompt."""
    return partial(scored, provider=provider, model=model)


def scored(trace: Trace, /, *, provider: Provider, model: str) -> tuple[Suspicion, ...]:
    """Rank the steps by how unlikely a model finds the recorded text; one call a step of an agent.

    The recorded text is the last message of the call, to be continued by nothing: with `echo` and `logprobs` a
    server returns the log-probabilities of the text it was given. Of what it returns, the tokens that spell the
    end of the recorded text count.

    Raises:
        CallError: the provider did not answer.
        ExperimentError: its answers have no log-probabilities of the recorded text.
    """
    found: dict[int, Sequence[TokenLogprob]] = {}
    for step in trace.steps:
        if step.kind != "llm" or not step.output.strip():
            continue
        completion = provider.complete(scoring_call(trace, step.index, model=model))
        tokens = _spelling(completion.logprobs or (), step.output)
        if not tokens:
            raise ExperimentError(
                f"{model} returned no log-probabilities of step {step.index}'s text; use a server that echoes the "
                "prompt with its log-probabilities (llama-cpp-python, vLLM)"
            )
        found[step.index] = tokens
    return _ranked(trace, found)


def scoring_call(trace: Trace, index: int, *, model: str) -> Call:
    """The call that has a model score the text of one step: its prompt, then the text, echoed and not continued."""
    step = trace.steps[index]
    asked = prompt(trace, trace.steps[:index], step)
    params: Mapping[str, bool | int] = {
        "echo": True,
        "logprobs": True,
        "max_tokens": 0,
        "add_generation_prompt": False,
        "continue_final_message": True,
    }
    text = Message(role="assistant", content=step.output)
    return Call(model=model, messages=(*asked.messages, text), params=params, agent=step.agent)


def _spelling(tokens: Sequence[TokenLogprob], text: str) -> tuple[TokenLogprob, ...]:
    """The last tokens that together spell the text, its outer white space aside; none where they do not."""
    wanted = text.strip()
    length, start = 0, len(tokens)
    while start > 0 and length < len(wanted):
        start -= 1
        length += len(tokens[start].token)
        tail = "".join(token.token for token in tokens[start:])
        if tail.strip() == wanted or (length >= len(wanted) and wanted in tail):
            return tuple(tokens[start:])
    return ()


def _ranked(trace: Trace, tokens: Mapping[int, Sequence[TokenLogprob]]) -> tuple[Suspicion, ...]:
    levels = {index: fmean(token.logprob for token in own) for index, own in tokens.items()}
    scores, reasons = {}, {}
    everybody = median(levels.values())
    for index, own in tokens.items():
        agent = trace.steps[index].agent
        peers = [level for other, level in levels.items() if trace.steps[other].agent == agent]
        # an agent that spoke once or twice has no level of its own
        usual = median(peers) if len(peers) >= 3 else everybody
        lowest, where = _lowest(own)
        drop = max(usual - levels[index], (usual - lowest) / 2, 0.0)
        scores[index] = 2 / (1 + exp(-2 * drop / _SCALE)) - 1
        words = "".join(token.token for token in own[where : where + _WINDOW]).strip()
        level = f"mean log-probability {levels[index]:.2f} per token, {usual:.2f} is usual"
        reasons[index] = f"{level}; lowest {lowest:.2f} at {words!r}"
    missing = {index: _UNKNOWN for index in blameable(trace) if index not in tokens}
    return ordered(trace, scores, reasons | missing, otherwise=_UNKNOWN)


def _lowest(tokens: Sequence[TokenLogprob]) -> tuple[float, int]:
    """The lowest mean over a window of tokens, and where the window begins."""
    size = min(_WINDOW, len(tokens))
    means = [fmean(token.logprob for token in tokens[at : at + size]) for at in range(len(tokens) - size + 1)]
    at = min(range(len(means)), key=means.__getitem__)
    return means[at], at
