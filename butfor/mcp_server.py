"""butfor for coding agents, over the Model Context Protocol, within budgets that a person set at start."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from butfor.cache.errors import ButforError

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from butfor.counterfactual.settings import Settings
    from butfor.counterfactual.verdict import Verdict


def server(settings: "Settings", *, cache: str | None = None) -> "MCPServer":
    """The server; without a budget of calls, tokens, dollars or seconds nothing is asked live.

    The budget is one for the life of the server, whatever is called.

    Raises:
        ButforError: the package `mcp` is not installed.
    """
    try:
        from mcp.server import MCPServer
    except ImportError:
        raise ButforError("this needs the package mcp; install it with: pip install 'butfor[mcp]'") from None
    made = MCPServer("butfor", instructions="Counterfactual replay of recorded multi-agent runs.")
    for tool in _Tools(settings, cache).every():
        made.tool()(_telling(tool))
    return made


def _telling(tool: Callable[..., Any]) -> Callable[..., Any]:
    """The tool, whose own errors reach the agent in their words."""
    from mcp.server.mcpserver.exceptions import ToolError

    @wraps(tool)
    def told(*args: Any, **given: Any) -> Any:
        try:
            return tool(*args, **given)
        except ButforError as error:
            raise ToolError(str(error)) from None

    return told


class _Tools:
    def __init__(self, settings: "Settings", cache: str | None) -> None:
        from butfor.counterfactual.audit import Parts, open_store
        from butfor.counterfactual.fleet.shared import sharing

        limits = settings.budget.model_dump().values()
        self._offline = all(limit is None for limit in limits)
        self._store = open_store(cache)
        _, self._settings, self._parts = sharing(settings, Parts())

    def every(self) -> tuple[Any, ...]:
        return (self.list_steps, self.read_step, self.rank, self.plan, self.whatif, self.blame, self.verify)

    def list_steps(self, run: str) -> dict[str, Any]:
        """The steps of a recorded run: who spoke, who read what, where it ended."""
        from butfor.replay.summary import summary

        return summary(self._opened(run).trace).model_dump(mode="json")

    def read_step(self, run: str, step: int) -> dict[str, Any]:
        """One step whole: what it read and what it said."""
        trace = self._opened(run).trace
        if not 0 <= step < len(trace.steps):
            raise ButforError(f"there is no step {step}; the run has steps 0 to {len(trace.steps) - 1}")
        read = [{"step": i, "agent": trace.steps[i].agent} for i in trace.context(step)]
        return {"read": read, **trace.steps[step].model_dump(mode="json")}

    def rank(self, run: str) -> list[dict[str, Any]]:
        """The steps of a failed run, the most suspect first, from the log alone; nothing is asked."""
        from butfor.library import rank

        return [found.model_dump(mode="json") for found in rank(self._opened(run).trace)]

    def plan(self, run: str) -> dict[str, Any]:
        """What an audit of the run may cost; nothing is asked."""
        from butfor.counterfactual.plan import planned

        return planned(self._opened(run).trace, self._settings).model_dump(mode="json")

    def whatif(
        self, run: str, step: int | None = None, output: str | None = None, agent: str | None = None,
        instruction: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The run with a step's output replaced, or with an agent told something besides."""
        from butfor.counterfactual import whatif as what

        found = self._opened(run)
        told = {agent: instruction} if agent and instruction else None
        changes = what.changes(found.trace, step=step, output=output, instruct=told)
        shown: what.WhatIf = what.whatif(self._audit(found), found.trace, changes, repeats=1)
        return shown.model_dump(mode="json")

    def blame(self, run: str) -> dict[str, Any]:
        """The audit of a failed run: the earliest step whose correction turns it into a success."""
        found = self._opened(run)
        verdict: Verdict = self._audit(found).audit(found.trace)
        return verdict.model_dump(mode="json", exclude={"trials", "proposals"})

    def verify(self, case: str) -> dict[str, Any]:
        """Derive a packed verdict again, offline, and say whether every number still holds."""
        from butfor.library import verify

        return {"sentence": (found := verify(case)).sentence(case), "holds": found.holds}

    def _opened(self, run: str) -> Any:
        from butfor.counterfactual.case import opened

        return opened(run)

    def _audit(self, found: Any) -> Any:
        return found.audit(
            found.settings or self._settings, store=self._store, offline=self._offline, parts=self._parts
        )
