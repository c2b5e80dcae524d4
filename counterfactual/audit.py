"""One audit put together: the store, the chain of providers, the judge, and the experiment they make."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from butfor.cache.errors import JudgeFailed, ModelUnavailable
from butfor.cache.plugins import resolve
from butfor.cache.provider import Cached, Metered, Offline, Provider, Remembered, Routed, Spent
from butfor.cache.store import CallStore, Tapped
from butfor.programs import allow
from butfor.replay.cast import OWN, Cast, Own, Verbatim
from butfor.replay.graph import ancestors
from butfor.replay.program.program import Program
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Outcome, Trace, answering_step

from .ended import ENDED_JUDGES, status
from .experiment import Experiment
from .judge import JUDGES, Judge, llm, pattern
from .proposer import Corrector
from .search import SEARCHES
from .settings import Settings
from .verdict import Cost, Verdict, attribute


def default_cache() -> Path:
    """Where answers are kept unless another folder is named."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("butfor")) / "answers"


class Audit:
    """Everything one command asks, with what it cost.

    With `offline`, nothing is ever asked live: what is not stored is a `CacheMiss`.
    """

    def __init__(
        self, settings: Settings, store: CallStore, *, offline: bool = False, program: Program | None = None
    ) -> None:
        self.settings = settings
        self._program = program
        self.stored = store
        self.store = Tapped(store)
        self._metered = Metered(Routed(self._connect), settings.budget, prices=settings.prices)
        self._asked: Provider = Offline(store.calls) if offline else Routed(self._route)

    @property
    def spent(self) -> Spent:
        """What live calls have cost so far."""
        return self._metered.spent

    @property
    def remembered(self) -> Provider:
        """Who answers questions that belong to no run: each only once."""
        return Remembered(self._asked, self.store)

    @property
    def executor(self) -> Literal["simulator", "program"]:
        """What carries runs out."""
        return "program" if self._program else "simulator"

    def audit(self, trace: Trace, *, sham: bool = False) -> Verdict:
        """The verdict on a failed run; of a program, once it has been run again as it was."""
        corrector = self._named(self.settings.corrector, "proposes corrections", "--corrector")
        experiment = self.experiment(trace, sham=sham)
        search = resolve("search", self.settings.search, SEARCHES)
        found = attribute(experiment, search, controls=self.settings.controls, per_agent=self.settings.per_agent)
        return found.model_copy(
            update={
                "cost": self.cost().model_copy(update={"naive_calls": self._naive(experiment)}),
                "model": self.settings.model,
                "corrector": corrector,
                "tools": self.settings.run_tools if self._program else self.settings.tools,
                "executor": self.executor,
            }
        )

    def experiment(self, trace: Trace, *, sham: bool = False) -> Experiment:
        """The trials that can be run on a trace."""
        expected = self.settings.expected
        trace = trace if expected is None else trace.model_copy(update={"expected": expected})
        return Experiment(
            trace if self._program is None else self._program.check(trace),
            executor=self._program or Simulator(schedule=self.settings.schedule),
            judge=self.judge(),
            live=self.live,
            proposer=Corrector(
                self.remembered,
                self.settings.corrector or self.settings.model or "",
                params=self.settings.params,
            ),
            rule=self.settings.rule,
            jobs=self.settings.jobs,
            sham=sham,
            reaching=self._reaching(trace),
        )

    def live(self, sample: int, models: Mapping[str, str]) -> Provider:
        """Who answers in the n-th repeat of a run, with some agents played by other models."""
        return Cast(
            Cached(Verbatim(self._asked), self.store, sample=sample),
            default=self.settings.model,
            models={**self.settings.models, **models},
            tools=self.settings.tools,
            run_tools=self.settings.run_tools,
            allow=allow,
            params=self.settings.params,
        )

    def judge(self) -> Judge:
        """The judge that the settings name."""
        kind, _, argument = self.settings.judge.partition(":")
        if kind == "pattern":
            return pattern(argument)
        if kind in ENDED_JUDGES and argument:
            return ENDED_JUDGES[kind](argument)
        if self.settings.judge == "llm":
            model = self._named(self.settings.judge_model, "judges", "--judge-model")
            return llm(self.remembered, model)
        known: dict[str, Judge] = {**JUDGES, "status": status}
        found = resolve("judge", self.settings.judge, known)
        return found if self.settings.judge in known else _guarded(found, self.settings.judge)

    def _reaching(self, trace: Trace) -> frozenset[int] | None:
        """The steps that can reach the final answer; unknown where the schedule, the end or the judge is free."""
        kind = self.settings.judge.partition(":")[0]
        fixed = self.settings.schedule == "recorded" and trace.team.stop_word is None
        if self._program is not None or not fixed or kind not in (*JUDGES, "pattern", "llm"):
            return None
        last = answering_step(trace)
        return None if last is None else ancestors(trace, range(last, len(trace.steps)))

    def cost(self) -> Cost:
        """What has been spent so far."""
        spent = self._metered.spent
        return Cost(
            live_calls=spent.calls,
            cached_calls=self.store.hits,
            input_tokens=spent.input_tokens,
            output_tokens=spent.output_tokens,
            dollars=spent.dollars,
            seconds=round(spent.seconds, 1),
        )

    def _route(self, model: str) -> Provider:
        if model.startswith(f"{OWN}tool:"):
            return Own()
        if not model.startswith("sandbox:"):
            return self._metered
        from butfor.replay.sandbox.sandbox import Sandbox

        return Sandbox()

    def _connect(self, model: str) -> Provider:
        if model.startswith(OWN):
            return Own()
        if model.startswith("scripted:"):
            return _scripted(model.removeprefix("scripted:"))
        from butfor.cache.connect import connect

        return connect(model, timeout=self.settings.timeout)

    def _named(self, model: str | None, does: str, option: str) -> str:
        """The model for a part, or the agents' model where it has none of its own."""
        named = model or self.settings.model
        if named is None:
            raise ModelUnavailable(f"no model {does}; give --model provider:model (or {option}), such as ollama:qwen3")
        return named

    def _naive(self, experiment: Experiment) -> int:
        """Calls of the usual loop: for every candidate, both arms, everything after the step again and again."""
        draws = max((max(t.treated.draws, t.control.draws) for t in experiment.trials), default=0)
        after = sum(range(len(experiment.candidates)))
        return 2 * draws * after


def _guarded(judge: Judge, name: str) -> Judge:
    """A judge of the user's own, whose failure is told as such."""

    def guarded(trace: Trace) -> Outcome:
        try:
            outcome = judge(trace)
        except Exception as error:  # it is not our code
            raise JudgeFailed(f"the judge {name} failed: {type(error).__name__}: {error}") from error
        if not isinstance(outcome, Outcome):
            raise JudgeFailed(f"the judge {name} returned {type(outcome).__name__}; it should return an Outcome")
        return outcome

    return guarded


def _scripted(name: str) -> Provider:
    from butfor.scenarios.scenario import scenarios

    if name not in scenarios():
        raise ModelUnavailable(f"no scenario is called {name!r}; there are {', '.join(scenarios())}")
    return scenarios()[name].provider()
