"""One run of one arm: `Runs` carries it out, judges it, and knows it again when it is asked for twice."""

import threading
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from butfor.cache.provider import Provider
from butfor.counterfactual.judge import Judge, JudgesAgain
from butfor.counterfactual.trial import Draw, Played
from butfor.replay.executor import Executor, rerun
from butfor.replay.replayed import Edits, Recording
from butfor.replay.trace import Outcome, Step, Trace

from .ledger import Asked, Ledger, Noted, Player
from .matching import matched

Live = Callable[[int, Mapping[str, str]], Provider]
"""The live side of one run: from the repeat's number and the models of swapped agents."""

_SHOWN = 500


class Run(NamedTuple):
    """One run of one arm, without its text."""

    draw: Draw
    outcome: Outcome
    signature: bytes
    """Of everything that was said; two runs of an arm with equal ones are equal from the change on."""
    players: frozenset[Player]
    """Who was asked live; nobody where nothing had to be drawn."""
    asked: frozenset[int]
    """The recorded steps, by agent and role, that a model answered anew."""


class Runs:
    """Carries out runs of one recording, each at most once."""

    def __init__(self, trace: Trace, executor: Executor, judge: Judge, live: Live, check: Callable[[], None]) -> None:
        self.ledger = Ledger()
        self._trace = trace
        self._executor = executor
        self._judge = judge
        self._live = live
        self._check = check
        self._recording: Recording = executor.recording(trace)
        self._known: dict[tuple[str, int], Run] = {}
        self._examples: dict[str, tuple[int, Trace, Outcome]] = {}
        self._judged: dict[tuple[str, bool], Trace] = {}
        self._lock = threading.Lock()

    def run(self, edits: Edits, sample: int, models: Mapping[str, str] | None = None, *, player: str = "") -> Run:
        """One run with these edits; whole runs are not kept, for there may be thousands.

        Raises:
            ButforError: the run could not be finished.
        """
        key = spelled(edits, models, player)
        known = self._known.get((key, sample))
        if known is not None:
            return known
        trace, run = self._drawn(edits, sample, models or {}, player)
        with self._lock:
            self._known[key, sample] = run
            kept = self._examples.get(key)
            if run.outcome.success or isinstance(self._judge, JudgesAgain):
                self._judged.setdefault((run.draw.answer or "", run.outcome.success), trace)
            if run.outcome.success and (kept is None or sample < kept[0]):
                self._examples[key] = (sample, trace, run.outcome)
        return run

    def trace(self, edits: Edits, sample: int, models: Mapping[str, str] | None = None) -> Trace:
        """The whole of one run; from stored answers where it was drawn before.

        Raises:
            ButforError: the run could not be finished.
        """
        return self._replayed(edits, sample, models or {}, "")[0]

    def beginning(self, edits: Edits, sample: int, length: int) -> Trace:
        """A run's first steps alone, where the executor follows the log's schedule; nothing after them is asked.

        Raises:
            ButforError: the run could not be carried out that far.
        """
        short = self._trace.model_copy(update={"steps": self._trace.steps[:length]})
        noted = Noted(self._live(sample, {}), self.ledger, check=self._check)
        recording = Recording([entry for entry in self._recording.recorded if entry.step < length])
        return rerun(short, edits, executor=self._executor, live=noted, recording=recording)

    def offline(self, edits: Edits) -> Trace:
        """A run in which nothing is asked.

        Raises:
            ButforError: something had to be asked.
        """
        return rerun(self._trace, edits, executor=self._executor, recording=self._recording)

    def example(self, edits: Edits, models: Mapping[str, str] | None = None) -> tuple[Trace, Outcome] | None:
        """The first successful run with these edits, where there was one."""
        kept = self._examples.get(spelled(edits, models, ""))
        return kept and kept[1:]

    def judged(self, answer: str, success: bool) -> Trace | None:
        """A run that ended with this answer and was judged so, where the judge can be asked about it again."""
        return self._judged.get((answer, success))

    def _replayed(self, edits: Edits, sample: int, models: Mapping[str, str], player: str) -> tuple[Trace, Noted]:
        noted = Noted(self._live(sample, models), self.ledger, check=self._check, playing=player + str(sorted(models)))
        run = rerun(self._trace, edits, executor=self._executor, live=noted, recording=self._recording)
        return run, noted

    def _drawn(self, edits: Edits, sample: int, models: Mapping[str, str], player: str) -> tuple[Trace, Run]:
        trace, noted = self._replayed(edits, sample, models, player)
        outcome = self._judge(trace)
        kept, steps = _played(self._trace, trace)
        draw = Draw(
            sample=sample,
            success=outcome.success,
            answer=(outcome.answer or "")[:_SHOWN],
            calls=noted.calls,
            tokens=noted.tokens,
            kept=kept,
            steps=steps,
        )
        return trace, Run(draw, outcome, signature(trace), noted.players, _asked(self._trace, trace, noted.asked))


def spelled(edits: Edits, models: Mapping[str, str] | None, player: str) -> str:
    """The name of an arm."""
    parts = (edits.answers.items(), edits.redraw, edits.instructions.items(), (models or {}).items())
    return f"{[sorted(part) for part in parts]}{player}"


def signature(trace: Trace) -> bytes:
    """A digest of everything that was said, by whom, and how a program ended."""
    said = [(s.agent, s.kind, s.output, [(c.name, c.arguments) for c in s.tool_calls]) for s in trace.steps]
    ended = trace.ended and (trace.ended.status, trace.ended.output, sorted(trace.ended.files.items()))
    return sha256(repr((said, ended)).encode()).digest()


def _played(recorded: Trace, run: Trace) -> tuple[int, tuple[Played, ...]]:
    kept = 0
    for step, old in zip(run.steps, recorded.steps, strict=False):
        if step.origin != "recorded" or step.output != old.output or step.agent != old.agent:
            break
        kept += 1
    return kept, tuple(
        Played(
            index=step.index,
            agent=step.agent,
            origin="live" if step.origin == "cached" else step.origin,
            output=None if _same(recorded, step) else step.output,
        )
        for step in run.steps[kept:]
    )


def _same(recorded: Trace, step: Step) -> bool:
    if step.index >= len(recorded.steps):
        return False
    old = recorded.steps[step.index]
    return (old.agent, old.output) == (step.agent, step.output)


def _asked(recorded: Trace, run: Trace, asked: Sequence[Asked]) -> frozenset[int]:
    """The recorded steps that were asked anew: by the executor's word, else by who gave that answer in the branch."""
    found = {ask.step for ask in asked if ask.step is not None and ask.step < len(recorded.steps)}
    unplaced = [ask for ask in asked if ask.step is None]
    if unplaced:
        places = {new: old for old, new in matched(recorded, run).items()}
        left = [step for step in run.steps if step.kind == "llm"]
        for ask in unplaced:
            step = next((s for s in left if s.agent == ask.agent and s.output == ask.text), None)
            if step is not None:
                left.remove(step)
                found |= {places[step.index]} if step.index in places else set()
    return frozenset(step for step in found if recorded.steps[step].kind == "llm")
