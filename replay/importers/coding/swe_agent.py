"""SWE-agent's `.traj` files: what the model answered, the command in it, and what the environment showed."""

import json

from butfor.cache.call import ToolCall
from butfor.replay.reading.fields import Field, parse_json
from butfor.replay.reading.messages import plain
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.turns import Turns
from butfor.replay.trace import Agent, Trace

FORMAT = "swe-agent"
_AGENT = "swe-agent"
_SHELL = "bash"


def sniff(head: str) -> bool:
    """Actions and observations under `trajectory`."""
    return {"trajectory/action", "trajectory/observation"} <= keys(head).keys()


def load(text: str, *, name: str) -> Trace:
    """The trace of a trajectory.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    log = Field(parse_json(text, name=name), name)
    given = [item for item in log.listed("history") if not _shown_only(item)]
    prompt = "\n\n".join(plain(m.get("content")) for m in given if m.maybe_text("role") == "system")
    asked = next((plain(m.get("content")) for m in given if m.maybe_text("role") == "user"), None)
    turns = Turns()
    if asked is not None:
        turns.hear(_AGENT, asked)
    for index, step in enumerate(log.need("trajectory", "a list of steps").items()):
        _add(step, index, turns)
    ended = log.dig("info", "exit_status")
    if ended is not None and ended.is_text:
        failed = None if ended.text().startswith("submitted") else ended.text()
        submitted = log.dig("info", "submission")
        turns.note(plain(submitted) or ended.text(), error=failed)
    agent = Agent(name=_AGENT, system_prompt=prompt or None)
    return turns.trace(format=FORMAT, name=name, task=asked, agents=(agent,))


def _shown_only(message: Field) -> bool:
    """Whether a message is of the demonstration that stands before the task."""
    demo = message.get("is_demo")
    return demo is not None and demo.value is True


def _add(step: Field, index: int, turns: Turns) -> None:
    action, thought = plain(step.get("action")), plain(step.get("thought"))
    said = plain(step.get("response")) or "\n".join(part for part in (thought, action) if part)
    call = ToolCall(id=f"step {index}", name=_SHELL, arguments=json.dumps({"command": action}, ensure_ascii=False))
    turns.say(_AGENT, said, calls=(call,) if action.strip() else ())
    observed = step.get("observation")
    if observed is not None:
        turns.result(_AGENT, plain(observed), call=call.id if action.strip() else "", tool=_SHELL)
