"""Who proposes how a step should have gone: `Corrector`, a model that never sees the expected answer."""

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from pydantic import JsonValue

from butfor.cache.call import Call, Message
from butfor.cache.provider import Provider
from butfor.replay.prompt import system_prompt
from butfor.replay.simulator import asked
from butfor.replay.trace import Trace

from .intervention import Intervention

_ASK = (
    "You review one message of an agent in a team. You see what the agent was told and what it had read, "
    "then the message. If the message is right for what the agent could know, reply with exactly: NOTHING "
    "TO CORRECT. Otherwise reply with the corrected message and nothing else: the same form and purpose, "
    "only the mistake mended. Do not do the work of later steps, and do not refer to this review."
)
_MATERIAL = "The agent is {agent}. Its instructions:\n{system}"
_MESSAGE = "The message of {agent} to review:\n<message>\n{output}\n</message>"
_NOTHING = re.compile(r"\W*nothing\s+to\s+correct\b", re.IGNORECASE)
_TAGS = re.compile(r"\A\s*<message>\n?|\n?</message>\s*\Z")


class Proposer(Protocol):
    """Says how a step should have gone."""

    def __call__(self, trace: Trace, step: int, /) -> Iterable[Intervention]:
        """The corrections to try at a step, best first; none where there is nothing to correct."""
        ...


class Corrector:
    """Asks a model for the corrected output of a step, showing it only what the step itself could know."""

    def __init__(self, provider: Provider, model: str, *, params: Mapping[str, JsonValue] | None = None) -> None:
        self._provider = provider
        self._model = model
        self._params = params or {}

    def __call__(self, trace: Trace, step: int) -> tuple[Intervention, ...]:
        """At most one correction.

        Raises:
            CallError: the model could not be asked.
        """
        recorded = trace.steps[step]
        reply = self._provider.complete(self._question(trace.blind(), step)).text
        corrected = _TAGS.sub("", reply).strip("\n")
        same = corrected.split() == recorded.output.split()  # in code, a sign or a case is a correction
        if same or not corrected.strip() or _NOTHING.match(corrected):
            return ()
        return (Intervention(kind="correct", step=step, output=corrected),)

    def _question(self, trace: Trace, step: int) -> Call:
        recorded = trace.steps[step]
        question = asked(trace, step).messages
        read = question if recorded.call else question[:-1]  # a rebuilt question ends with a cue
        instructions = _MATERIAL.format(agent=recorded.agent, system=system_prompt(trace.agent(recorded.agent)))
        review = _MESSAGE.format(agent=recorded.agent, output=recorded.output)
        return Call(
            model=self._model,
            messages=(
                Message(role="system", content=_ASK),
                Message(role="user", content=instructions),
                *(Message(role="user", content=message.text) for message in read if message.role != "system"),
                Message(role="user", content=review),
            ),
            params=self._params,
            agent="corrector",
            step=step,
        )
