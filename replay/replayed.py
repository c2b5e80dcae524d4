"""A recorded run as a provider: `Recording`, `Edits`, and `Replayed`, which answers from both."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from butfor.cache.call import Call, Completion, Frozen, Message, answer
from butfor.cache.errors import Divergence
from butfor.cache.nearest import explain, likely_cause, nearest
from butfor.cache.provider import Provider


class Edits(Frozen):
    """What is to be different from the recording; no edits at all is a check."""

    answers: Mapping[int, str] = Field(default_factory=dict)
    """New outputs by step."""
    redraw: frozenset[int] = frozenset()
    """Steps whose recorded answers are forgotten, so that they are asked live."""
    instructions: Mapping[str, str] = Field(default_factory=dict)
    """What an agent is told besides, in every question of its that goes live."""

    def __bool__(self) -> bool:
        return bool(self.answers or self.redraw)


def _told(call: Call, instruction: str) -> Call:
    note = Message(role="user", content=f"A further instruction for you:\n{instruction}")
    return call.model_copy(update={"messages": (*call.messages[:-1], note, *call.messages[-1:])})


class Recorded(NamedTuple):
    """One call of the recorded run, and the answer it got."""

    step: int
    call: Call
    completion: Completion


class Recording:
    """The calls of a run, by content and occurrence or step; built once and shared by every replay of it."""

    def __init__(self, recorded: Sequence[Recorded]) -> None:
        self.recorded = tuple(recorded)
        self._by_step = {entry.step: entry for entry in self.recorded}
        seen: Counter[bytes] = Counter()
        self._by_identity: dict[tuple[bytes, int], Recorded] = {}
        for entry in self.recorded:
            content = entry.call.content_key
            self._by_identity[content, seen[content]] = entry
            seen[content] += 1

    def find(self, call: Call, occurrence: int) -> Recorded | None:
        """The recorded call with this content: of the same step, where the call names one, else the n-th."""
        if call.step is None:
            return self._by_identity.get((call.content_key, occurrence))
        entry = self._by_step.get(call.step)
        return entry if entry and entry.call.content_key == call.content_key else None

    def calls(self) -> Iterator[Call]:
        """Every recorded call, in order."""
        return (entry.call for entry in self.recorded)


class _Roles:
    """Which of an agent's recorded steps its next unrecorded question plays: the one after its last."""

    def __init__(self, recording: Recording) -> None:
        self._steps: dict[str | None, list[int]] = {}
        for entry in recording.recorded:
            if entry.call.agent is not None:
                self._steps.setdefault(entry.call.agent, []).append(entry.step)
        self._last: dict[str | None, int] = {}

    def next(self, agent: str | None) -> int | None:
        last = self._last.get(agent, -1)
        return next((step for step in self._steps.get(agent, ()) if step > last), None)

    def note(self, agent: str | None, step: int | None) -> None:
        if step is not None:
            self._last[agent] = max(step, self._last.get(agent, -1))


class Replayed:
    """Gives each call its recorded answer, the edited steps their new ones, and asks `live` for what follows.

    A call is recognised by its content and occurrence; where the executor knows which step it acts out, by
    its content and that step, and an edited step by its place alone once something was changed. An answer is
    given once. Before the first edit has been served nothing goes live: a call that is not in the recording
    is a `Divergence`. One instance serves one run.
    """

    def __init__(self, recording: Recording, edits: Edits, *, live: Provider) -> None:
        self._recording = recording
        self._edits = edits
        self._live = live
        self._seen: Counter[bytes] = Counter()
        self._changed = False
        self._roles = _Roles(recording)
        self._lock = threading.Lock()

    def complete(self, call: Call) -> Completion:
        """Answer one call.

        Raises:
            Divergence: nothing was edited yet, and the call is not in the recording.
            CallError: the call had to go live, and could not be answered.
        """
        content = call.content_key
        with self._lock:
            occurrence = self._seen[content]
            self._seen[content] += 1
            entry = self._recording.find(call, occurrence)
            step = entry.step if entry else self._acted_out(call) if self._changed else None
            self._roles.note(call.agent, step)
            self._changed = self._changed or step in self._edits.answers or step in self._edits.redraw
            changed = self._changed
        if step is not None and step in self._edits.answers:
            return answer(self._edits.answers[step], origin="edited").model_copy(update={"step": step})
        if entry is not None and step not in self._edits.redraw:
            return entry.completion
        if not changed:
            raise Divergence(self._explain(call))
        told = self._edits.instructions.get(call.agent or "")
        return self._live.complete(_told(call, told) if told else call)

    def _acted_out(self, call: Call) -> int | None:
        """The recorded step that a question plays which was never recorded: as told, else by its agent and role."""
        return self._roles.next(call.agent) if call.step is None else call.step

    def _explain(self, call: Call) -> str:
        found = nearest(call, self._recording.calls())
        cause = likely_cause(found.call, call) if found else "nothing was recorded"
        return (
            f"the replay asked something that the recorded run did not ask ({call.agent or call.model}), before "
            f"anything was changed\n{explain(call, self._recording.calls())}\nLikely cause: {cause}"
        )
