"""What an audit may ask, before it asks anything: what `butfor plan` computes."""

from butfor.cache.call import Frozen
from butfor.cache.provider import Price
from butfor.replay.prompt import system_prompt
from butfor.replay.trace import Trace

from .rule import Counts, Rule
from .settings import Settings

_CHARACTERS_A_TOKEN = 4
_CONFIRMING_SHARE = 0.4
"""Of the audit's error, for the confirmation of what a screen found."""


class StepPlan(Frozen):
    """What trying one step may ask."""

    step: int
    agent: str
    reaches: int
    """Agents' messages that are drawn again after it, in every draw."""
    calls_innocent: int
    """If its correction never helps."""
    calls_decisive: int
    """If its correction always helps and the recorded answer never does."""
    calls_most: int
    """If neither is clear after all draws."""
    tokens_innocent: int
    """Estimated from the lengths of the recorded messages, four characters a token."""
    tokens_decisive: int
    tokens_most: int


class Plan(Frozen):
    """What an audit may ask."""

    steps: tuple[StepPlan, ...]
    calls_expected: int
    """If the middle candidate is decisive: corrector, screen, confirmation, and what is before ruled out."""
    calls_most: int
    tokens_expected: int
    tokens_most: int
    dollars_expected: float | None
    """`None` where the price of the model is not known."""
    dollars_most: float | None


def planned(trace: Trace, settings: Settings) -> Plan:
    """The plan of an audit of a run; nothing is asked.

    Expected is the search `screen`: about log2 of the candidates in probes, the middle one decisive and confirmed, and
    those before it ruled out together. At most is a scan of every candidate to its last draw.
    """
    candidates = [step.index for step in trace.steps if step.kind == "llm"]
    rule = settings.rule
    innocent = sum(_draws(rule, False, len(candidates)))
    decisive = sum(_draws(rule, True, 1 / _CONFIRMING_SHARE))
    tokens = _tokens(trace)
    reached = _reached(trace, tokens)
    steps = tuple(
        _step(trace, step, reached[step], tokens, innocent, decisive, 2 * rule.repeats) for step in candidates
    )
    calls, asked = _expected(steps, tokens, innocent, decisive)
    price = settings.prices.get(settings.model or "")
    most = sum(s.tokens_most for s in steps)
    return Plan(
        steps=steps,
        calls_expected=calls,
        calls_most=sum(s.calls_most for s in steps),
        tokens_expected=asked,
        tokens_most=most,
        dollars_expected=_dollars(price, asked),
        dollars_most=_dollars(price, most),
    )


def _expected(steps: tuple[StepPlan, ...], tokens: list[int], innocent: int, decisive: int) -> tuple[int, int]:
    """Calls and tokens of a screen that finds the middle candidate, confirms it and rules out what is before it."""
    if not steps:
        return 0, 0
    middle = steps[len(steps) // 2]
    probes = len(steps).bit_length()
    ruled = innocent if steps[0].step < middle.step else 0
    calls = len(steps) + (probes + decisive) * middle.reaches + ruled * steps[0].reaches
    correcting = sum(tokens[s.step] for s in steps)
    share = (middle.tokens_decisive - tokens[middle.step]) // max(1, decisive)
    first = (steps[0].tokens_innocent - tokens[steps[0].step]) // max(1, innocent)
    return calls, correcting + (probes + decisive) * share + ruled * first


def _step(
    trace: Trace, step: int, reached: tuple[int, int], tokens: list[int], innocent: int, decisive: int, most: int
) -> StepPlan:
    again, each = reached
    correcting = tokens[step]
    return StepPlan(
        step=step,
        agent=trace.steps[step].agent,
        reaches=again,
        calls_innocent=1 + innocent * again,
        calls_decisive=1 + decisive * again,
        calls_most=1 + most * again,
        tokens_innocent=correcting + innocent * each,
        tokens_decisive=correcting + decisive * each,
        tokens_most=correcting + most * each,
    )


def _tokens(trace: Trace) -> list[int]:
    """What asking each step takes, in and out, four characters a token; linear in the run."""
    systems = {agent.name: len(system_prompt(agent)) for agent in trace.agents}
    read: list[int] = []
    for step in trace.steps:
        heard = sum(len(trace.steps[other.step].output) for other in step.reads)
        before = step.continues
        carried = 0 if before is None else read[before] + len(trace.steps[before].output)
        read.append(heard + carried)
    found = []
    for step, characters in zip(trace.steps, read, strict=True):
        if step.call is not None:
            asked = sum(len(message.text) for message in step.call.messages)
        else:
            asked = systems[step.agent] + len(trace.task) + characters
        found.append((asked + len(step.output)) // _CHARACTERS_A_TOKEN + 1)
    return found


def _reached(trace: Trace, tokens: list[int]) -> list[tuple[int, int]]:
    """For each step, how many agents' messages it reaches, and the tokens of asking all of them again."""
    import numpy as np

    size = len(trace.steps)
    reach = [0] * size
    for step in reversed(trace.steps):
        own = reach[step.index] | (1 << step.index)
        for earlier in {read.step for read in step.reads} | ({step.continues} - {None}):
            reach[earlier] |= own  # type: ignore[index]
    weights = np.array([tokens[s.index] if s.kind == "llm" else 0 for s in trace.steps], dtype=np.int64)
    asked = np.array([s.kind == "llm" for s in trace.steps], dtype=np.int64)
    found = []
    for bits in reach:
        raw = np.frombuffer(bits.to_bytes((size + 7) // 8, "little"), dtype=np.uint8)
        mask = np.unpackbits(raw, bitorder="little")[:size]
        found.append((int(mask @ asked), int(mask @ weights)))
    return found


def _draws(rule: Rule, helps: bool, candidates: float) -> tuple[int, int]:
    """The draws of both arms until the rule decides, where all treated draws end alike and no control succeeds."""
    treated, control = Counts(0, 0), Counts(0, 0)
    while rule.decide(treated, control, candidates=candidates) == "draw":
        more = rule.next_draws(treated, control)
        if not any(more):
            break
        treated = Counts(treated.successes + more[0] * helps, treated.draws + more[0])
        control = Counts(0, control.draws + more[1])
    return treated.draws, control.draws


def _dollars(price: Price | None, tokens: int) -> float | None:
    """Most tokens are input; the price of output is not known before the answers are."""
    return None if price is None else price.input * tokens / 1e6
