"""The commands that read a log without running it again: `rank`, `attribute`, `advise` and `train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from butfor.cache.errors import ButforError

from . import options as o
from .console import out, print_json

if TYPE_CHECKING:
    from butfor.counterfactual.settings import Settings
    from butfor.replay.trace import Trace

Method = Annotated[
    str,
    typer.Option(
        help="combined, learned, trajectory, confidence, all-at-once, step-by-step, binary-search, hybrid, or "
        "module:function; the four before the last need --model."
    ),
]
Success = Annotated[
    list[Path] | None, typer.Option("--success", help="A successful run of the same task; may be repeated.")
]
Trained = Annotated[Path | None, typer.Option(help="A model that butfor train wrote, in place of the one shipped.")]
ShowExpected = Annotated[
    bool, typer.Option("--show-expected", help="Let a model that reads the log see the expected answer.")
]


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
    from . import library
    from .render.rank import as_terminal

    found = library.rank(
        log,
        method=method,
        model=model,
        successes=success or (),
        trained=trained,
        show_expected=show_expected,
        store=cache,
        offline=offline,
        params=o.chosen(params=param).params,
    )
    if as_json:
        print_json([suspicion.model_dump(mode="json") for suspicion in found])
    else:
        out().print(as_terminal(found, method))


def attribute(
    log: Annotated[Path, typer.Option("--log_path", "--log-path", help="The log.")],
    method: Method = "combined",
    model: o.Model = None,
    cache: o.Cache = None,
) -> None:
    """Name the agent and the step to suspect, in the form that is common in the field."""
    from . import library

    found = library.rank(log, method=method, model=model, store=cache)
    if not found:
        raise ButforError(f"{log}: there is no step to suspect")
    print(f"Agent Name: {found[0].agent}\nStep Number: {found[0].step}\nReason for Mistake: {found[0].reason}")


def advise(
    log: o.Log,
    step: Annotated[int | None, typer.Option(help="The step (0-based). Default: the most suspect one.")] = None,
    as_json: o.Json = False,
) -> None:
    """Say what kind of failure a step looks like, on what evidence, and which change to try."""
    from . import library
    from .render.rank import advice_as_terminal

    found = library.advise(log, step)
    if as_json:
        print_json([advice.model_dump(mode="json") for advice in found])
    else:
        out().print(advice_as_terminal(found, log))


def train(
    folder: Annotated[Path, typer.Argument(help="A folder of labelled logs.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The model to write (JSON).")],
    seed: Annotated[int, typer.Option(help="Of the trees and the folds.")] = 0,
) -> None:
    """Learn a ranker from labelled logs, and print its cross-validated scores."""
    from butfor.counterfactual.ranking.training import train as learn
    from butfor.replay.output import write

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
    cache: str | None,
    show_expected: bool,
    as_json: bool,
) -> None:
    """Score a method on the Who&When logs of a folder, or of the hub (`hf`), beside constants and published results."""
    from butfor.counterfactual.case import Opened
    from butfor.counterfactual.ranking.methods import ranker_of

    from .scenarios import who_and_when as ww

    traces = ww.load_hub() if where == "hf" else ww.load_folder(Path(where))
    if method in ("learned", "combined"):
        rows = ww.score_learned(traces)
    else:
        audit = Opened(traces[0]).audit(settings, store=cache)
        ranker = ranker_of(method, asked=audit.remembered, model=settings.model)
        rows = ww.measure(method, traces, ranker, with_answer=show_expected, spent=lambda: audit.spent)
    rows += ww.baselines(traces)
    if as_json:
        print_json([row.model_dump(mode="json") for row in rows])
    else:
        print(ww.table(rows), end="")


COMMANDS = {"see": (rank,), "blame": (advise,), "many": (train,), "upkeep": (attribute,)}
"""The commands, by the group of `--help` in which they stand."""


def _labelled(folder: Path) -> "list[Trace]":
    from butfor.replay.importers import import_folder

    found = [trace for _, trace in import_folder(folder) if not isinstance(trace, Exception) and trace.culprit]
    if not found:
        raise ButforError(f"{folder}: there is no labelled log in it")
    return found
