"""The commands on stored answers: `butfor cache info|clear|verify|explain`."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as o

if TYPE_CHECKING:
    from butfor.cache.disk import DiskStore

app = typer.Typer(no_args_is_help=True, help="Look after the stored answers.")


@app.command()
def info(cache: o.Cache = None, as_json: o.Json = False) -> None:
    """Say where the answers are, how many, and how large."""
    found = _store(cache).info()
    if as_json:
        sys.stdout.write(json.dumps(found._asdict(), indent=1) + "\n")
    else:
        print(f"{found.directory}: {found.answers} answers, {found.messages} messages, {found.bytes / 2**20:.1f} MB")


@app.command()
def clear(
    cache: o.Cache = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget every stored answer; each would have to be paid for again."""
    store = _store(cache)
    if not yes:
        typer.confirm(f"Forget all {store.info().answers} answers in {store.directory}?", abort=True)
    print(f"{store.clear()} answers forgotten")


@app.command()
def verify(cache: o.Cache = None) -> None:
    """Read every row and check it against its checksum."""
    store = _store(cache)
    problems = store.verify()
    for problem in problems:
        print(problem)
    print(f"{store.directory}: {store.info().answers} answers, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)


@app.command()
def explain(
    log: o.Log,
    step: Annotated[int, typer.Option(help="The step whose call is looked up (0-based).")],
    model: o.Model = None,
    param: o.Params = None,
    cache: o.Cache = None,
    sample: Annotated[int, typer.Option(help="Which repeat of the run (from 0).")] = 0,
) -> None:
    """Say whether a step's call is stored for a model, and if not, which stored call is nearest and what differs."""
    from butfor.cache.errors import ButforError
    from butfor.cache.nearest import explain as why
    from butfor.counterfactual.case import opened
    from butfor.replay.simulator import asked

    trace = opened(log).trace
    if not 0 <= step < len(trace.steps) or trace.steps[step].kind not in ("llm", "tool"):
        raise ButforError(f"{log}: step {step} makes no call; the run has steps 0 to {len(trace.steps) - 1}")
    store = _store(cache)
    call = asked(trace, step)
    if call.model.startswith("tool:"):
        target = model or call.model
    else:
        target = model or trace.agent(trace.steps[step].agent).model or "recorded"
    params = {**call.params, **o.chosen(params=param).params}
    call = call.model_copy(update={"model": target, "params": params})
    key = call.key(sample=sample)
    if store.get(key) is not None:
        print(f"stored: {key}")
        return
    print(f"not stored: {key}\n{why(call, store.likes(call))}")
    raise typer.Exit(1)


def _store(cache: str | None) -> "DiskStore":
    from butfor.cache.disk import DiskStore
    from butfor.cache.errors import ButforError
    from butfor.counterfactual.audit import open_store

    found = open_store(cache)
    if not isinstance(found, DiskStore):
        raise ButforError(f"store={cache} is no folder; its own tools look after it")
    return found
