"""Who proposes how a step should have gone: `Corrector`, a model that never sees the expected answer."""

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from butfor.cache.call import Call, Message
from butfor.cache.provider import Provider
from butfor.replay.prompt import system_prompt
from butfor.replay.simulator import asked
from butfor.replay.trace import Trace

from .intervention import Intervention
from .leak import same_facts
from .trial import Proposal

_ASK = (
    "You review one message of an agent in a team. You see what the agent was told and what it had read, "
    "then the message. If the message is right for what the agent could know, reply with exactly: NOTHING "
    "TO CORRECT. Otherwise reply with the corrected message and nothing else: the same form and purpose, "
    "only the mistake mended. Do not do the work of later steps, and do not refer to this review."
)
_ONCE_MORE = (
    " A first correction of this message went beyond it: it stated what only a later step comes to. Correct this "
    "message's own job alone; if that was done right, reply with exactly: NOTHING TO CORRECT."
)
_REWORD = (
    "You put one message of an agent in other words. Keep its meaning, every number, every name, its form and about "
    "its length; mend nothing, add nothing, leave nothing out. Reply with the reworded message and nothing else."
)
_MATERIAL = "The agent is {agent}. Its instructions:\n{system}"
_MESSAGE = "The message of {agent} to review:\n<message>\n{output}\n</message>"
_OTHER_WORDS = "The message of {agent} to put in other words, version {n}:\n<message>\n{output}\n</message>"
_NOTHING = re.compile(r"\W*nothing\s+to\s+correct\b", re.IGNORECASE)
_TAGS = re.compile(r"\A\s*<message>\n?|\n?</message>\s*\Z")


class Proposer(Protocol):
    """Says how a step should have gone.

    It is given the run without the expected answer, unless it has an attribute `blind` that is false.
    """

    def __call__(self, trace: Trace, step: int, /) -> Iterable[Intervention]:
        """The corrections to try at a step, best first; none where there is nothing to correct."""
        ...


@runtime_checkable
class Rewords(Protocol):
    """A proposer that can put a text in other words."""

    def reword(self, trace: Trace, step: int, text: str, n: int, /) -> str | None:
        """The n-th rewording (from 1) of what a step says; `None` where there is none that keeps the facts."""
        ...


@runtime_checkable
class AsksOnceMore(Protocol):
    """A proposer that can be told to correct the step's own job alone."""

    def once_more(self, trace: Trace, step: int, /) -> Iterable[Intervention]:
        """The corrections of the step's own job."""
        ...


@runtime_checkable
class Shown(Protocol):
    """A proposer that shows what it was asked and what it replied."""

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """Every question and its reply, in the order in which they were first asked."""
        ...


class Corrector:
    """Asks a model for the corrected output of a step, showing it only what the step itself could know."""

    blind = True

    def __init__(self, provider: Provider, model: str, *, params: Mapping[str, JsonValue] | None = None) -> None:
        self._provider = provider
        self._model = model
        self._params = params or {}
        self._lock = threading.Lock()
        self._proposals: dict[tuple[str, bytes], Proposal] = {}

    def __call__(self, trace: Trace, step: int) -> tuple[Intervention, ...]:
        """At most one correction.

        Raises:
            CallError: the model could not be asked.
        """
        return self._corrected(trace, step, "correct", _ASK)

    def once_more(self, trace: Trace, step: int) -> tuple[Intervention, ...]:
        """At most one correction, of the step's own job alone.

        Raises:
            CallError: the model could not be asked.
        """
        return self._corrected(trace, step, "once more", _ASK + _ONCE_MORE)

    def reword(self, trace: Trace, step: int, text: str, n: int) -> str | None:
        """The n-th rewording of a text; `None` where it is no other text, or does not keep its names and numbers.

        Raises:
            CallError: the model could not be asked.
        """
        question = _OTHER_WORDS.format(agent=trace.steps[step].agent, n=n, output=text)
        messages = (Message(role="system", content=_REWORD), Message(role="user", content=question))
        call = Call(model=self._model, messages=messages, params=self._params, agent="corrector", step=step)
        reworded = _TAGS.sub("", self._asked(call, trace, step, "reword")).strip("\n")
        other = bool(reworded.strip()) and reworded.split() != text.split()
        return reworded if other and same_facts(text, reworded) else None

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """Every question and its reply, by step."""
        with self._lock:
            return tuple(sorted(self._proposals.values(), key=lambda p: (p.step, p.purpose, p.after)))

    def _corrected(self, trace: Trace, step: int, purpose: str, ask: str) -> tuple[Intervention, ...]:
        recorded = trace.steps[step]
        reply = self._asked(self._question(trace.blind(), step, ask), trace, step, purpose)
        corrected = _TAGS.sub("", reply).strip("\n")
        same = corrected.split() == recorded.output.split()  # in code, a sign or a case is a correction
        if same or not corrected.strip() or _NOTHING.match(corrected):
            return ()
        return (Intervention(kind="correct", step=step, output=corrected),)

    def _asked(self, call: Call, trace: Trace, step: int, purpose: str) -> str:
        reply = self._provider.complete(call).text
        edited = tuple(s.index for s in trace.steps if s.origin == "edited" and s.index != step)
        shown = Proposal.model_validate(
            {
                "step": step, "purpose": purpose, "model": call.model, "prompt": call.messages, "reply": reply,
                "after": edited,
            }
        )  # fmt: skip
        with self._lock:
            self._proposals.setdefault((purpose, call.content_key), shown)
        return reply

    def _question(self, trace: Trace, step: int, ask: str) -> Call:
        recorded = trace.steps[step]
        question = asked(trace, step).messages
        read = question if recorded.call else question[:-1]  # a rebuilt question ends with a cue
        instructions = _MATERIAL.format(agent=recorded.agent, system=system_prompt(trace.agent(recorded.agent)))
        review = _MESSAGE.format(agent=recorded.agent, output=recorded.output)
        return Call(
            model=self._model,
            messages=(
                Message(role="system", content=ask),
                Message(role="user", content=instructions),
                *(Message(role="user", content=message.text) for message in read if message.role != "system"),
                Message(role="user", content=review),
            ),
            params=self._params,
            agent="corrector",
            step=step,
        )
