"""What an audit may ask, before it asks anything: what `butfor plan` computes."""

from butfor.cache.call import Frozen
from butfor.cache.provider import Price
from butfor.replay.graph import descendants
from butfor.replay.simulator import asked
from butfor.replay.trace import Trace

from .rule import Counts, Rule
from .settings import Settings

_CHARACTERS_A_TOKEN = 4


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
    """If the middle candidate is decisive and those before it are innocent."""
    calls_most: int
    tokens_expected: int
    tokens_most: int
    dollars_expected: float | None
    """`None` where the price of the model is not known."""
    dollars_most: float | None


def planned(trace: Trace, settings: Settings) -> Plan:
    """The plan of an audit of a run with the search `earliest`; nothing is asked."""
    candidates = [step.index for step in trace.steps if step.kind == "llm"]
    rule = settings.rule
    innocent = sum(_draws(rule, False, len(candidates)))
    decisive = sum(_draws(rule, True, len(candidates)))
    steps = tuple(_step(trace, step, innocent, decisive, 2 * rule.repeats) for step in candidates)
    middle = len(steps) // 2
    expected = [s.calls_innocent for s in steps[:middle]] + [s.calls_decisive for s in steps[middle : middle + 1]]
    tokens = [s.tokens_innocent for s in steps[:middle]] + [s.tokens_decisive for s in steps[middle : middle + 1]]
    price = settings.prices.get(settings.model or "")
    most = sum(s.tokens_most for s in steps)
    return Plan(
        steps=steps,
        calls_expected=sum(expected),
        calls_most=sum(s.calls_most for s in steps),
        tokens_expected=sum(tokens),
        tokens_most=most,
        dollars_expected=_dollars(price, sum(tokens)),
        dollars_most=_dollars(price, most),
    )


def _step(trace: Trace, step: int, innocent: int, decisive: int, most: int) -> StepPlan:
    again = [s for s in sorted(descendants(trace, [step])) if trace.steps[s].kind == "llm"]
    tokens = sum(_tokens(trace, s) for s in again)
    correcting = _tokens(trace, step) + len(trace.steps[step].output) // _CHARACTERS_A_TOKEN
    return StepPlan(
        step=step,
        agent=trace.steps[step].agent,
        reaches=len(again),
        calls_innocent=1 + innocent * len(again),
        calls_decisive=1 + decisive * len(again),
        calls_most=1 + most * len(again),
        tokens_innocent=correcting + innocent * tokens,
        tokens_decisive=correcting + decisive * tokens,
        tokens_most=correcting + most * tokens,
    )


def _tokens(trace: Trace, step: int) -> int:
    asked_ = sum(len(message.text) for message in asked(trace, step).messages)
    return (asked_ + len(trace.steps[step].output)) // _CHARACTERS_A_TOKEN + 1


def _draws(rule: Rule, helps: bool, candidates: int) -> tuple[int, int]:
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
