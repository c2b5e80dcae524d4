"""The demonstration: a scenario is played, fails, is replayed, audited and explained."""

from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from butfor.cache.errors import ButforError
from butfor.cache.store import MemoryStore
from butfor.counterfactual.audit import Audit
from butfor.counterfactual.settings import Settings
from butfor.counterfactual.verdict import Verdict
from butfor.replay.executor import rerun
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Trace

from .render import report
from .render.run import as_terminal as show_run


class Demo(NamedTuple):
    """A failing run and the verdict on it."""

    trace: Trace
    found: Verdict


def demo(name: str) -> Demo:
    """Play a scenario and audit it with every step tried.

    Raises:
        ButforError: there is no such scenario.
    """
    from butfor.scenarios.scenario import scenarios

    if name not in scenarios():
        raise ButforError(f"no scenario is called {name!r}; there are {', '.join(scenarios())}")
    trace = scenarios()[name].record()
    rerun(trace, executor=Simulator())
    settings = Settings(model=f"scripted:{name}", search="exhaustive")
    return Demo(trace, Audit(settings, MemoryStore()).audit(trace))


def as_terminal(name: str, trace: Trace, found: Verdict) -> RenderableType:
    """The run, the audit, and what to do next."""
    steps = [Text(f"$ butfor show {name}.json", style="dim"), show_run(trace), Text("")]
    audit = [Text(f"$ butfor blame {name}.json --search exhaustive", style="dim"), Text("")]
    hint = Text(
        "\n  The team is scripted: its agents compute from what they read, and no model was asked. With your own log:\n"
        "  butfor blame LOG --model openai:MODEL        (or ollama:MODEL; see README)",
        style="dim",
    )
    return Group(*steps, *audit, report.as_terminal(found, trace), hint)
