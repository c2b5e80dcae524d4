"""What a library user calls; each function takes objects or names, and a run as an object or as a file.

The settings that several functions share are those of `butfor.Choices`, spelled as the command line's options are:
`repeats`, `confidence`, `max_calls`, `params` …
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, Unpack

from butfor.cache.errors import ButforError, ExperimentError
from butfor.cache.provider import Provider
from butfor.cache.store import CallStore, MemoryStore
from butfor.counterfactual import whatif as what
from butfor.counterfactual.advice import Advice
from butfor.counterfactual.audit import Model, Parts, leavings, name_of, named_model
from butfor.counterfactual.case import Case, Opened, opened, remember
from butfor.counterfactual.case import pack as packed
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.judge import Judge
from butfor.counterfactual.plan import Plan, planned
from butfor.counterfactual.proposer import Proposer
from butfor.counterfactual.ranking.suspicion import Ranker, Suspicion
from butfor.counterfactual.search import Search
from butfor.counterfactual.settings import Choices, Settings, chosen
from butfor.counterfactual.verdict import Verdict
from butfor.counterfactual.verify import Verified, verified
from butfor.replay.executor import Executor
from butfor.replay.output import write
from butfor.replay.program.check import Checked, check_log
from butfor.replay.program.check import check as run_again
from butfor.replay.program.program import Program
from butfor.replay.text import excerpt
from butfor.replay.trace import Outcome, Trace

Run: TypeAlias = Trace | Case | str | Path
"""A run: an object, or the path of a log of any format, a native file, or a packed case."""

Store: TypeAlias = str | Path | CallStore
"""Where answers are kept: a folder, a URL, or an object."""


def load(run: str | Path, *, format: str | None = None) -> Trace:  # noqa: A002
    """The run in a log of any supported format, a native file, or a packed case; `FILE#RUN` names one of several.

    Raises:
        TraceError: the file cannot be read as one of them.
    """
    return opened(run, format=format).trace


def check(
    run: Run,
    program: Sequence[str] = (),
    *,
    timeout: float = 600.0,
    proxy: bool = False,
    reach: Sequence[str] = (),
    hold: bool = True,
    ignore: Sequence[str] = (),
) -> Checked:
    """Replay a run offline with no edits; with its `program`, which is really run again.

    `timeout` is in seconds; `reach` are addresses of this machine that it may use all the same; with `hold` it finds
    the world in which it was recorded; `ignore` are regular expressions of what differs by itself.

    Raises:
        Divergence: the program asked something that was not recorded. ProgramFailed: it could not be run.
    """
    trace = opened(run).trace
    if not program:
        return check_log(trace)
    return run_again(trace, program, timeout=timeout, proxy=proxy, reach=reach, hold=hold, ignore=ignore)


def whatif(
    run: Run,
    *changes: Intervention,
    model: Model | None = None,
    judge: str | Judge | Callable[[Trace], Outcome | bool] | None = None,
    program: Sequence[str] | Program = (),
    store: Store | None = None,
    offline: bool = False,
    executor: str | Executor | None = None,
    **choices: Unpack[Choices],
) -> what.WhatIf:
    """A run with something changed: once, or `repeats` times in both arms; no judge is needed to look.

    Raises:
        ButforError: the run has no such step or agent, or the changed run could not be finished.
    """
    found = opened(run)
    settings, parts = _settled(found, choices, model=model, judge=judge, executor=executor, changes=changes)
    audit = found.audit(settings, store=store, offline=offline, program=program, parts=parts)
    return what.whatif(audit, found.trace, changes, repeats=choices.get("repeats") or 1)


def blame(
    run: Run,
    *,
    model: Model | None = None,
    corrector: Model | None = None,
    judge: str | Judge | Callable[[Trace], Outcome | bool] | None = None,
    program: Sequence[str] | Program = (),
    store: Store | None = None,
    offline: bool = False,
    search: str | Search | None = None,
    proposer: str | Proposer | None = None,
    executor: str | Executor | None = None,
    **choices: Unpack[Choices],
) -> Verdict:
    """The audit of a failed run: the earliest step whose correction turns the failure into a success.

    `model` plays the agents that answer anew and, without a `corrector`, proposes the corrections.

    Raises:
        NotAFailure: the judge calls the run a success. ButforError: the audit could not be made.
    """
    return _audited(run, False, store, offline, program, choices, model=model, corrector=corrector, judge=judge,
                    search=search, proposer=proposer, executor=executor)  # fmt: skip


def sham(
    run: Run,
    *,
    model: Model | None = None,
    corrector: Model | None = None,
    judge: str | Judge | Callable[[Trace], Outcome | bool] | None = None,
    program: Sequence[str] | Program = (),
    store: Store | None = None,
    offline: bool = False,
    search: str | Search | None = None,
    proposer: str | Proposer | None = None,
    executor: str | Executor | None = None,
    **choices: Unpack[Choices],
) -> Verdict:
    """The audit of a run that succeeded, as a control of the method: it must blame nobody.

    Raises:
        ButforError: the audit could not be made.
    """
    return _audited(run, True, store, offline, program, choices, model=model, corrector=corrector, judge=judge,
                    search=search, proposer=proposer, executor=executor)  # fmt: skip


def plan(run: Run, *, model: Model | None = None, corrector: Model | None = None, **choices: Unpack[Choices]) -> Plan:
    """What an audit may ask, before anything is asked: calls, tokens and dollars, by step and in all."""
    found = opened(run)
    settings, _ = _settled(found, choices, model=model, corrector=corrector)
    return planned(found.trace, settings)


def rank(
    run: Run,
    *,
    method: str | Ranker = "combined",
    model: Model | None = None,
    successes: Sequence[Run] = (),
    trained: str | Path | None = None,
    show_expected: bool = False,
    store: Store | None = None,
    offline: bool = False,
    **choices: Unpack[Choices],
) -> tuple[Suspicion, ...]:
    """The steps of a failed run, the most suspect first, from the log alone.

    `successes` are successful runs of the same task; `trained` is a file that `butfor train` wrote.

    Raises:
        ButforError: nothing has the method's name, or it needs a model.
    """
    from butfor.counterfactual.ranking.methods import BUILT_IN, ranker_of

    found = opened(run)
    ranker = method
    if isinstance(ranker, str):
        settings, parts = _settled(found, choices, model=model)
        asks = method not in BUILT_IN or settings.model
        audit = found.audit(settings, store=store if asks else MemoryStore(), offline=offline, parts=parts)
        ranker = ranker_of(
            ranker,
            asked=audit.remembered,
            model=settings.model,
            successes=[opened(other).trace for other in successes],
            trained=Path(trained) if trained else None,
        )
    return tuple(ranker(found.trace if show_expected else found.trace.blind()))


def advise(run: Run, step: int | None = None) -> tuple[Advice, ...]:
    """What a step's failure looks like, the likeliest kind first; of the most suspect step where none is named.

    Raises:
        ButforError: the run has no such step.
    """
    from butfor.counterfactual.advice import advise as advice_on

    trace = opened(run).trace
    if step is None:
        step = next((s.step for s in rank(trace) if trace.steps[s.step].kind == "llm"), 0)
    if not 0 <= step < len(trace.steps):
        raise ButforError(f"there is no step {step}; the run has steps 0 to {len(trace.steps) - 1}")
    return advice_on(trace.blind(), step)


def pack(found: Verdict | Run, path: str | Path) -> Path:
    """Write a verdict that was just made, or a run alone, as one file that needs no network.

    Raises:
        ButforError: the file cannot be written.
    """
    if isinstance(found, Verdict):
        return found.save(path)
    return write(Path(path), packed(opened(found).trace, None, None, MemoryStore(), ()))


def verify(
    case: str | Path | Case,
    program: Sequence[str] | Program = (),
    *,
    judge: str | Judge | Callable[[Trace], Outcome | bool] | None = None,
    search: str | Search | None = None,
    proposer: str | Proposer | None = None,
    executor: str | Executor | None = None,
) -> Verified:
    """Derive a packed verdict again, offline, and say whether every value still holds.

    What of the audit was code of somebody's own (its judge, say) has to be given again.

    Raises:
        LogFormatError: it is no case, or holds no verdict. ExperimentError: its code was not given again.
    """
    found = opened(case)
    settings, parts = _settled(found, {}, judge=judge, search=search, proposer=proposer, executor=executor)
    return verified(found.case, settings, program, parts)


def record(
    command: Sequence[str],
    path: str | Path,
    *,
    expected: str | None = None,
    judge: str | None = None,
    timeout: float | None = None,
    proxy: bool = False,
) -> Trace:
    """Run a program unmodified and record every call it makes to a model.

    `timeout` is in seconds.

    Raises:
        ProgramFailed: it could not be started, or it asked no model.
    """
    from butfor.replay.program.recorder import record_to

    return record_to(Path(path), command, timeout=timeout, leavings=leavings(judge or ""), proxy=proxy,
                     expected=expected, judge=judge)  # fmt: skip


def trusting(packed: Settings | None, given: Mapping[str, object]) -> Settings | None:
    """The settings of a case, which is somebody else's file: what of it runs, reads or unblocks has to be named again.

    Who answers may stay: a case is offline, so a model's name is only part of the key of a stored answer.

    Raises:
        ExperimentError: it was not.
    """
    from butfor.counterfactual.audit import PURE_JUDGES
    from butfor.counterfactual.search import SEARCHES

    if packed is None:
        return None
    named = {kind for kind, value in given.items() if value is not None}
    for kind, known in {"judge": PURE_JUDGES, "search": tuple(SEARCHES), "proposer": (), "executor": ()}.items():
        value = getattr(packed, kind)
        if value and kind not in named and (value if kind == "search" else value.partition(":")[0]) not in known:
            raise ExperimentError(
                f"the case was audited with the {kind} {excerpt(value)}, which is code or touches files; pass "
                f"{kind}={excerpt(value)} if you trust it"
            )
    opens = {
        "proxy": ("true", packed.proxy),
        "reach": (",".join(packed.reach), bool(packed.reach)),
        "tools": (packed.run_tools, packed.run_tools != "replay"),
    }
    for kind, (spelled, is_open) in opens.items():
        if is_open and kind not in named:
            raise ExperimentError(
                f"the case was audited with {kind}={excerpt(spelled)}, which lets a program do more than replay; pass "
                f"{kind}= again if you trust it"
            )
    return packed


def _audited(
    run: Run,
    sham: bool,
    store: Store | None,
    offline: bool,
    program: Sequence[str] | Program,
    choices: Choices,
    **given: object,
) -> Verdict:
    found = opened(run)
    settings, parts = _settled(found, choices, **given)
    audit = found.audit(settings, store=store, offline=offline, program=program, parts=parts)
    verdict = audit.audit(found.trace, sham=sham)
    if found.case is None:
        remember(verdict)
    return verdict


def _settled(found: Opened, choices: Mapping[str, object], **given: object) -> tuple[Settings, Parts]:
    """Names become settings, objects become parts."""
    names: dict[str, object] = {}
    objects: dict[str, object] = {}
    providers: dict[str, Provider] = {}
    for change in given.pop("changes", ()):  # type: ignore[attr-defined]
        providers |= change.providers
    for kind in ("model", "corrector"):
        model = given.pop(kind, None)
        if model is not None:
            names[kind], brought = named_model(model)  # type: ignore[arg-type]
            providers |= brought
    for kind, value in given.items():
        if isinstance(value, str):
            names[kind] = value
        elif value is not None:
            objects[kind], names[kind] = value, name_of(value)
    packed = trusting(found.settings, {**choices, **names, **objects})
    return chosen(packed, **choices, **names), Parts(**objects, providers=providers)  # type: ignore[arg-type]
