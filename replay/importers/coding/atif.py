"""ATIF, the Agent Trajectory Interchange Format of Harbor, with the trajectories of subagents inside it."""

from butfor.cache.call import ToolCall
from butfor.replay.reading.fields import Field, parse_json
from butfor.replay.reading.messages import arguments, plain, usage
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.turns import Turns
from butfor.replay.trace import Agent, Trace

FORMAT = "atif"


def sniff(head: str) -> bool:
    """A `schema_version` of ATIF, or its steps by their `step_id` and `source`."""
    found = keys(head).keys()
    return ("schema_version" in found and '"ATIF-' in head) or {"agent/name", "steps/step_id", "steps/source"} <= found


def load(text: str, *, name: str) -> Trace:
    """The trace of a trajectory.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    log = Field(parse_json(text, name=name), name)
    turns = Turns()
    within = {key: item for item in log.listed("subagent_trajectories") for key in _ids(item)}
    _add(log, turns, within, {_name(log)})
    return turns.trace(format=FORMAT, name=name)


def _ids(log: Field) -> list[str]:
    return [found for key in ("trajectory_id", "session_id") if (found := log.maybe_text(key))]


def _name(log: Field) -> str:
    named = log.dig("agent", "name")
    return named.text() if named is not None else "agent"


def _add(log: Field, turns: Turns, within: dict[str, Field], taken: set[str], as_name: str | None = None) -> None:
    agent = as_name or _name(log)
    model = log.dig("agent", "model_name")
    prompts: list[str] = []
    for step in log.need("steps", "a list of steps").items():
        source, said = step.maybe_text("source"), plain(step.get("message"))
        if source == "system" and not step.get("observation"):
            prompts.append(said)
        elif source == "agent":
            _acted(step, said, agent, turns)
        elif as_name is None or source != "user":
            turns.hear(agent, said, started=step.time("timestamp"), speaker=source or "user")
        _results(step, agent, turns, within, taken)
    named = model.text() if model is not None else None
    turns.know(Agent(name=agent, model=named, system_prompt="\n\n".join(prompts) or None))


def _acted(step: Field, said: str, agent: str, turns: Turns) -> None:
    calls = [
        ToolCall(
            id=call.maybe_text("tool_call_id") or "",
            name=call.text("function_name"),
            arguments=arguments(call.get("arguments")),
        )
        for call in step.listed("tool_calls")
    ]
    turns.say(agent, said, calls=calls, usage=usage(step.get("metrics")), started=step.time("timestamp"))


def _results(step: Field, agent: str, turns: Turns, within: dict[str, Field], taken: set[str]) -> None:
    observed = step.get("observation")
    for result in observed.listed("results") if observed is not None else ():
        call = result.maybe_text("source_call_id") or ""
        for reference in result.listed("subagent_trajectory_ref"):
            inner = next((within.pop(key) for key in _ids(reference) if key in within), None)
            if inner is not None:
                named = _name(inner) if _name(inner) not in taken else f"{_name(inner)} {len(taken) + 1}"
                taken.add(named)
                turns.start(named, call=call)
                _add(inner, turns, within, taken, named)
        turns.result(agent, plain(result.get("content")), call=call, ended=step.time("timestamp"))
