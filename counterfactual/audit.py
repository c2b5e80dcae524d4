"""The one maker of experiments: `Audit` puts the store, the chain of providers, the judge and the executor together.

Every part is an object or a name; the command line, the library, the benchmarks and the tests all come through here.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from butfor.cache.call import Call, Completion
from butfor.cache.errors import JudgeFailed, ModelUnavailable
from butfor.cache.plugin import checked, resolve
from butfor.cache.provider import Cached, Metered, Offline, Provider, Remembered, Routed, Spent
from butfor.cache.scripted import Scripted
from butfor.cache.store import CallStore, Tapped
from butfor.replay.cast import OWN, Cast, Own, Verbatim
from butfor.replay.executor import Executor
from butfor.replay.graph import ancestors
from butfor.replay.program.program import Leavings, Program
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Outcome, Trace, answering_step, final_answer

from .ended import ENDED_JUDGES, status
from .experiment import Experiment
from .intervention import Intervention
from .judge import JUDGES, Judge, llm, pattern
from .proposer import Corrector, Proposer
from .search import SEARCHES, Search
from .settings import Settings
from .verdict import Cost, Evidence, Verdict, attribute

BUILT_IN_JUDGES = (*JUDGES, "status", "llm", "pattern", *ENDED_JUDGES)
"""The judges that come with butfor, by the first part of their name."""

PURE_JUDGES = (*JUDGES, "status", "llm", "pattern", "output")
"""Those that a packed case may choose: they run no code and open no file, and a case asks no model live."""

_HARMLESS_JUDGES = (*JUDGES, "status", "pattern", "output")
"""The judges that a file may choose: they read the run, and run, ask and open nothing."""

Model = str | Provider | Callable[[Call], Completion | str]
"""Who answers: `provider:model`, an object with `complete(call)`, or a function of a call."""


def default_cache() -> Path:
    """Where answers are kept unless another folder is named."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("butfor")) / "answers"


def open_store(where: "str | Path | CallStore | None" = None) -> CallStore:
    """The store in a folder (the usual one where none is named), at a URL, or the object itself.

    Raises:
        StoreDamaged: it cannot be used. PluginError: nothing has that name.
    """
    from butfor.cache.stores.opening import open_store as opened

    if where is None:
        return opened(default_cache())
    if not isinstance(where, str | Path):
        return checked("store", type(where).__name__, where)  # type: ignore[no-any-return]
    text = str(where)
    if ":" in text and "://" not in text and not Path(text).exists() and "/" not in text.partition(":")[0]:
        return resolve("store", text)
    return opened(where)


class Parts(NamedTuple):
    """What somebody brings as objects, in place of what the settings name."""

    judge: Judge | None = None
    proposer: Proposer | None = None
    search: Search | None = None
    executor: Executor | None = None
    providers: Mapping[str, Provider] = {}
    """Who answers for a `provider:model`, by that name."""
    allow: Callable[[str, str], bool] | None = None
    """Whether a program's tool may run for real, by its name and arguments; asked with `tools="ask"`."""


class Audit:
    """Everything that is asked about one run after the other, with what it cost.

    With `offline`, nothing is ever asked live: what is not stored is a `CacheMiss`. `program` is the command that made
    the run, or an executor of it.
    """

    def __init__(
        self,
        settings: Settings,
        store: CallStore,
        *,
        offline: bool = False,
        program: Sequence[str] | Program | None = None,
        parts: Parts | None = None,
    ) -> None:
        self.settings = settings
        self.parts = parts or Parts()
        self._program = program if isinstance(program, Program | None) else self._of(program, offline=offline)
        self.stored = store
        self.store = Tapped(store)
        self._metered = Metered(Routed(self._connect), settings.budget, prices=settings.prices)
        self._asked: Provider = Offline(self.store) if offline else Routed(self._route)

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
        corrector = self._corrector()
        experiment = self.experiment(trace, sham=sham)
        search = self.parts.search or resolve("search", self.settings.search, SEARCHES)
        found = attribute(experiment, search, controls=self.settings.controls, per_agent=self.settings.per_agent)
        found = found.model_copy(
            update={
                "cost": self.cost().model_copy(update={"naive_calls": _naive(experiment)}),
                "model": self.settings.model,
                "corrector": corrector,
                "tools": self.settings.run_tools if self._program else self.settings.tools,
                "executor": self.executor,
            }
        )
        found._evidence = Evidence(trace, self.settings, self.stored, frozenset(self.store.used))
        return found

    def experiment(self, trace: Trace, *, sham: bool = False, judged: bool = True) -> Experiment:
        """The trials that can be run on a trace; where it need not be `judged`, without a judge's expected answer."""
        expected = self.settings.expected
        trace = trace if expected is None else trace.model_copy(update={"expected": expected})
        return Experiment(
            trace if self._program is None else self._program.check(trace),
            executor=self._carrier(),
            judge=self.judge(trace) if judged else _unjudged,
            live=self.live,
            proposer=self._proposer(),
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
            allow=self.parts.allow,
            params=self.settings.params,
        )

    def judge(self, trace: Trace) -> Judge:
        """The judge that was brought, or that the settings or the run name."""
        if self.parts.judge is not None:
            return _guarded(self.parts.judge, name_of(self.parts.judge))
        name = judge_name(self.settings, trace)
        if name == "llm":
            return llm(self.remembered, self._named(self.settings.judge_model, "judges", "judge_model"))
        found = resolve("judge", name, {**JUDGES, "status": status}, {"pattern": pattern, **ENDED_JUDGES})
        return found if name.partition(":")[0] in BUILT_IN_JUDGES else _guarded(found, name)

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

    def _corrector(self) -> str:
        """Who proposes corrections, by name."""
        if self.parts.proposer is not None:
            return name_of(self.parts.proposer)
        return self.settings.proposer or self._named(self.settings.corrector, "proposes corrections", "corrector")

    def _proposer(self) -> Proposer:
        if self.parts.proposer is not None:
            return self.parts.proposer
        if self.settings.proposer:
            return resolve("proposer", self.settings.proposer)
        model = self.settings.corrector or self.settings.model or ""
        return Corrector(self.remembered, model, params=self.settings.params)

    def _carrier(self) -> Executor:
        """What carries runs out."""
        if self.parts.executor is not None:
            return self.parts.executor
        if self.settings.executor:
            return resolve("executor", self.settings.executor)
        return self._program or Simulator(schedule=self.settings.schedule)

    def _of(self, command: Sequence[str], *, offline: bool) -> Program | None:
        """The executor of a command; `None` where there is none, and a run is simulated."""
        if not command:
            return None
        return Program(
            command,
            timeout=self.settings.time_limit,
            leavings=leavings(self.settings.judge or ""),
            offline=offline,
            proxy=self.settings.proxy,
            reach=self.settings.reach,
            hold=self.settings.hold,
        )

    def _reaching(self, trace: Trace) -> frozenset[int] | None:
        """The steps that can reach the final answer; unknown where the schedule, the end or the judge is free."""
        kind = judge_name(self.settings, trace).partition(":")[0]
        fixed = self.settings.schedule == "recorded" and trace.team.stop_word is None
        own_judge = self.parts.judge is not None or kind not in (*JUDGES, "pattern", "llm")
        own_executor = self.parts.executor is not None or self.settings.executor is not None
        if self._program is not None or not fixed or own_judge or own_executor:
            return None
        last = answering_step(trace)
        return None if last is None else ancestors(trace, range(last, len(trace.steps)))

    def _route(self, model: str) -> Provider:
        if model.startswith(f"{OWN}tool:"):
            return Own()
        if not model.startswith("sandbox:"):
            return self._metered
        from butfor.replay.sandbox.sandbox import Sandbox

        return Sandbox()

    def _connect(self, model: str) -> Provider:
        if model in self.parts.providers:
            return self.parts.providers[model]
        if model.startswith(OWN):
            return Own()
        from butfor.cache.connect import connect

        return connect(model, timeout=self.settings.timeout)

    def _named(self, model: str | None, does: str, setting: str) -> str:
        """The model for a part, or the agents' model where it has none of its own."""
        named = model or self.settings.model
        if named is None:
            raise ModelUnavailable(
                f"no model {does}; give model=provider:model (or {setting}=provider:model), such as ollama:qwen3"
            )
        return named


def leavings(judge: str) -> Leavings:
    """What a judge reads after a program's run."""
    kind, _, argument = judge.partition(":")
    if kind == "file":
        return Leavings(files=(argument.partition(":")[0],))
    return Leavings(tests=(argument,)) if kind == "pytest" else Leavings()


def named_model(model: Model) -> tuple[str, dict[str, Provider]]:
    """The name under which somebody answers, and the provider by that name where it is an object.

    Answers are stored under that name: its own `name` where it has one, else `module:function` or `module:Class`;
    objects that answer differently need different names.

    Raises:
        PluginError: it is neither a name, nor a provider, nor a function.
    """
    if isinstance(model, str):
        return model, {}
    name = name_of(model)
    if callable(getattr(model, "complete", None)):
        return name, {name: checked("provider", name, model)}
    if callable(model):
        return name, {name: Scripted(model)}
    return name, {name: checked("provider", name, model)}


def swap(agent: str, model: Model) -> Intervention:
    """An agent is played by another model in all its steps: a name, a provider, or a function."""
    name, providers = named_model(model)
    found = Intervention(kind="swap", agent=agent, model=name)
    found._providers = providers
    return found


def name_of(found: object) -> str:
    """The name under which an object is known: its own `name`, else `module:function` or `module:Class`."""
    own = getattr(found, "name", None)
    if isinstance(own, str) and own:
        return own if ":" in own else f"given:{own}"
    owner = found if hasattr(found, "__qualname__") else type(found)
    return f"{owner.__module__}:{owner.__qualname__}".replace("<", "").replace(">", "")


def judge_name(settings: Settings, trace: Trace) -> str:
    """What a run is judged by: as chosen, else as it was recorded to be, where that runs no code, else `exact`."""
    own = trace.judge if trace.judge and trace.judge.partition(":")[0] in _HARMLESS_JUDGES else None
    return settings.judge or own or "exact"


def can_judge(settings: Settings, parts: Parts, trace: Trace) -> bool:
    """Whether there is something to judge a run by."""
    needs = parts.judge is None and judge_name(settings, trace) in (*JUDGES, "llm")
    return not needs or bool((settings.expected or trace.expected or "").strip())


def _unjudged(trace: Trace) -> Outcome:
    """No judgement: a changed run may be looked at without one."""
    return Outcome(success=False, answer=final_answer(trace))


def _naive(experiment: Experiment) -> int:
    """Calls of the usual loop: for every candidate, both arms, everything after the step again and again."""
    draws = max((max(t.treated.draws, t.control.draws) for t in experiment.trials), default=0)
    after = sum(range(len(experiment.candidates)))
    return 2 * draws * after


def _guarded(judge: Any, name: str) -> Judge:
    """A judge of the user's own, whose failure is told as such; it may answer yes or no."""

    def guarded(trace: Trace) -> Outcome:
        try:
            outcome = judge(trace)
        except Exception as error:  # it is not our code
            raise JudgeFailed(f"the judge {name} failed: {type(error).__name__}: {error}") from error
        if isinstance(outcome, bool):
            return Outcome(success=outcome, answer=final_answer(trace))
        if not isinstance(outcome, Outcome):
            raise JudgeFailed(
                f"the judge {name} returned {type(outcome).__name__}; it should return an Outcome, or True or False"
            )
        return outcome

    return guarded
