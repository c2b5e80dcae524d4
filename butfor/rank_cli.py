"""The commands that read a log without running it again: `rank`, `attribute`, `advise` and `train`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from butfor.cache.errors import ButforError

from . import options as o
from .opened import Opened, opened, out, print_json, write

if TYPE_CHECKING:
    from butfor.counterfactual.advice import Advice
    from butfor.counterfactual.audit import Audit
    from butfor.counterfactual.ranking.suspicion import Ranker, Suspicion
    from butfor.counterfactual.settings import Settings
    from butfor.replay.trace import Trace

Method = Annotated[
    str,
    typer.Option(
        help="combined, learned, trajectory, confidence, all-at-once, step-by-step, binary-search, or hybrid; the last "
        "four need --model."
    ),
]
Success = Annotated[
    list[Path] | None, typer.Option("--success", help="A successful run of the same task; may be repeated.")
]
Trained = Annotated[Path | None, typer.Option(help="A model that butfor train wrote, in place of the one shipped.")]
ShowExpected = Annotated[
    bool, typer.Option("--show-expected", help="Let a model that reads the log see the expected answer.")
]
_SHOWN = 10
_A = {"instruction": "an instruction", "check": "a check", "confirmation step": "a confirmation step"}


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (rank, attribute, advise, train):
        app.command()(command)


def rank(
    log: o.Log,
    method: Method = "combined",
    success: Success = None,
    trained: Trained = None,
    model: o.Model = None,
    show_expected: ShowExpected = False,
    param: o.Params = None,
    offline: o.Offline = False,
    cache: o.Cache = None,
    as_json: o.Json = False,
) -> None:
    """Order the steps of a failed run by suspicion, from the log alone."""
    run = opened(log)
    ranker = _ranker(run, method, success or (), trained, model, param, offline, cache)
    found = ranker(run.trace if show_expected else run.trace.blind())
    if as_json:
        print_json([suspicion.model_dump(mode="json") for suspicion in found])
    else:
        _print_table(found, method)


def attribute(
    log: Annotated[Path, typer.Option("--log_path", "--log-path", help="The log.")],
    method: Method = "combined",
    model: o.Model = None,
    cache: o.Cache = None,
) -> None:
    """Name the agent and the step to suspect, in the form that is common in the field."""
    run = opened(log)
    found = _ranker(run, method, (), None, model, None, False, cache)(run.trace.blind())
    if not found:
        raise ButforError(f"{log}: there is no step to suspect")
    print(f"Agent Name: {found[0].agent}\nStep Number: {found[0].step}\nReason for Mistake: {found[0].reason}")


def advise(
    log: o.Log,
    step: Annotated[int | None, typer.Option(help="The step (0-based); default: the most suspect one.")] = None,
    cache: o.Cache = None,
    as_json: o.Json = False,
) -> None:
    """Say what kind of failure a step looks like, on what evidence, and which change to try."""
    from butfor.counterfactual.advice import advise as advice_on

    run = opened(log)
    if step is None:
        ranking = _ranker(run, "combined", (), None, None, None, True, cache)(run.trace.blind())
        step = next((s.step for s in ranking if run.trace.steps[s.step].kind == "llm"), 0)
    if not 0 <= step < len(run.trace.steps):
        raise ButforError(f"there is no step {step}; the run has steps 0 to {len(run.trace.steps) - 1}")
    found = advice_on(run.trace.blind(), step)
    if as_json:
        print_json([advice.model_dump(mode="json") for advice in found])
    else:
        _print_advice(found, log)


def train(
    folder: Annotated[Path, typer.Argument(help="A folder of labelled logs.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The model to write (JSON).")],
    seed: Annotated[int, typer.Option(help="Of the trees and the folds.")] = 0,
) -> None:
    """Learn a ranker from labelled logs, and print its cross-validated scores."""
    from butfor.counterfactual.ranking.training import train as learn

    traces = _labelled(folder)
    found = learn(traces, seed=seed, data=folder.name)
    write(output, found.to_json())
    print(f"{output}: learned from {len(traces)} logs; cross-validated by question:")
    for kind, scores in found.scores.items():
        print(f"  {kind}: {scores}")


def benchmark(
    where: str,
    method: str,
    settings: "Settings",
    *,
    cache: Path | None,
    show_expected: bool,
    as_json: bool,
) -> None:
    """Score a method on the Who&When logs of a folder, or of the hub (`hf`), beside constants and published results."""
    from .scenarios import who_and_when as ww

    traces = ww.load_hub() if where == "hf" else ww.load_folder(Path(where))
    if method in ("learned", "combined"):
        rows = ww.score_learned(traces)
    else:
        session = Opened(traces[0]).session(settings, cache=cache)
        ranker = _named_ranker(method, (), None, settings.model, session)
        rows = ww.measure(method, traces, ranker, with_answer=show_expected, spent=lambda: session.spent)
    rows += ww.baselines(traces)
    if as_json:
        print_json([row.model_dump(mode="json") for row in rows])
    else:
        print(ww.table(rows), end="")


def _ranker(
    run: Opened,
    method: str,
    successes: Sequence[Path],
    trained: Path | None,
    model: str | None,
    param: list[str] | None,
    offline: bool,
    cache: Path | None,
) -> "Ranker":
    session = run.session(o.chosen(model=model, params=param), cache=cache, offline=offline)
    return _named_ranker(method, [opened(path).trace for path in successes], trained, model, session)


def _named_ranker(
    method: str, successes: "Sequence[Trace]", trained: Path | None, model: str | None, session: "Audit"
) -> "Ranker":
    """The ranker of a name."""
    from butfor.counterfactual.ranking.combined import combining
    from butfor.counterfactual.ranking.confidence import asked_of, confidence
    from butfor.counterfactual.ranking.learned import read_model, shipped_model
    from butfor.counterfactual.ranking.reading import Method as Reading
    from butfor.counterfactual.ranking.reading import reading
    from butfor.counterfactual.ranking.trajectory import along
    from butfor.replay.importers import read_text

    own = read_model(read_text(trained), name=trained.name) if trained else None
    if method == "combined":
        return combining(successes=successes, model=own)
    if method == "learned":
        return own or shipped_model()
    if method == "trajectory":
        return along(*successes)
    readings: dict[str, Reading] = {name: name for name in get_args(Reading)}
    if method not in (*readings, "confidence"):
        names = ", ".join(("combined", "learned", "trajectory", "confidence", *readings))
        raise ButforError(f"no method is called {method!r}; there are {names}")
    if method == "confidence" and model is None:
        return confidence
    if model is None:
        raise ButforError(f"--method {method} has a model read the log; give --model provider:model")
    if method == "confidence":
        return asked_of(session.remembered, model=model)
    return reading(session.remembered, model=model, method=readings[method])


def _print_table(found: "Sequence[Suspicion]", method: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from butfor.replay.text import excerpt

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, justify in (("step", "right"), ("suspicion", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("agent", overflow="fold")
    table.add_column("why", overflow="fold")
    for entry in found[:_SHOWN]:
        agent, why = excerpt(entry.agent, limit=40), excerpt(entry.reason, limit=200)
        table.add_row(str(entry.step), f"{entry.suspicion:.2f}", Text(agent), Text(why))
    out().print(table)
    more = f"; {len(found) - _SHOWN} more with --json" if len(found) > _SHOWN else ""
    print(f"\nread from the log by {method}; nothing was run again{more}")


def _print_advice(found: "Sequence[Advice]", log: Path) -> None:
    import shlex

    from rich.text import Text

    from butfor.replay.text import excerpt, printable

    first, *others = found
    told = shlex.quote(f"{first.agent}={first.instruction}")
    lines = [f"step {first.step} ({excerpt(first.agent, limit=40)}) looks like a failure of {first.kind}: {first.why}"]
    lines += [f"  step {e.step}: {excerpt(e.text, limit=200)!r}" for e in first.evidence]
    lines += ["", f"try {_A[first.change]}: {first.instruction}", ""]
    lines += [f"  butfor whatif {shlex.quote(str(log))} --instruct {told} --repeats 10 --model provider:model"]
    if others:
        lines += ["", "it may also be: " + "; ".join(f"{advice.kind} ({advice.why})" for advice in others)]
    out().print(Text("\n".join(map(printable, lines))))


def _labelled(folder: Path) -> "list[Trace]":
    from butfor.replay.importers import import_folder

    found = [trace for _, trace in import_folder(folder) if not isinstance(trace, Exception) and trace.culprit]
    if not found:
        raise ButforError(f"{folder}: there is no labelled log in it")
    return found
