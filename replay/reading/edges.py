"""Who read whom, told by what stands in each step's input.

A step whose input was recorded read another one when an id of the other's tool calls is in it, when the
other's text stands in it, or when it goes on from the other's response on the provider's server. Where no
input was recorded, the rules of hearing decide, and ids still say which tool answered whom.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from butfor.cache.call import Message
from butfor.replay.hearing import heard
from butfor.replay.trace import Basis, Read, Step

_TELLING = 16
"""A text of so many characters is found by chance nowhere; a shorter one has to stand on lines of its own."""

_ID = 8
"""An id of so many characters is random enough to be found in text."""

_FEW = 64
"""So many texts are looked for one by one; with more, those that can stand in a text are looked up first."""

_LONGEST_ECHO = 20_000
_STRONGEST: tuple[Basis, ...] = ("tool call", "response id", "verbatim", "addressee", "order", "broadcast")


def linked(
    steps: Sequence[Step],
    *,
    responses: Mapping[str, int] | None = None,
    known: Mapping[int, Iterable[Read]] | None = None,
) -> tuple[Step, ...]:
    """The steps with `continues` and `reads` filled in.

    `responses` gives the step that a provider's response id belongs to, for calls that have a
    `previous_response_id` among their parameters; `known` gives, by step, what the format itself says was
    read.
    """
    asked = any(step.kind == "llm" and step.call is not None for step in steps)
    links = _Links(responses or {}, whole=asked or bool(known) or bool(responses))
    for step in steps:
        links.add(step, (known or {}).get(step.index, ()))
    return tuple(links.steps)


class _Links:
    """The steps linked so far, and where their ids and texts are found again."""

    def __init__(self, responses: Mapping[str, int], *, whole: bool) -> None:
        self.steps: list[Step] = []
        self._whole = whole
        """Whether contexts are kept: where nothing but hearing links the steps, nothing is read twice."""
        self._responses = responses
        self._asked: dict[str, list[int]] = defaultdict(list)
        self._answered: dict[str, list[int]] = defaultdict(list)
        self._said: dict[str, list[int]] = defaultdict(list)
        self._by_head: dict[str, list[str]] = defaultdict(list)
        """The telling texts said, by how they begin."""
        self._by_line: dict[str, list[str]] = defaultdict(list)
        """The shorter ones, by their first line."""
        self._echoes: list[tuple[int, str]] = []
        """Arguments of tool calls: an agent that a tool started finds them in its question."""
        self._scanned: dict[str, tuple[tuple[int, Basis], ...]] = {}
        self._before_said: dict[str, int] = {}
        """How often a text stood in an input before any step had said it."""
        self._contexts: list[int] = []
        """What each step read, as bits, with what it reaches through `continues`."""

    def add(self, step: Step, known: Iterable[Read]) -> None:
        """Link the next step."""
        found: dict[int, Basis] = {}
        for read in known:
            if read.step < step.index:
                _keep(found, read.step, read.basis)
        if step.kind == "tool":
            self._asked_for(step, found)
        elif step.call is not None:
            self._read(step, found)
        heard_from = step.call is None or (step.kind == "tool" and not found)
        continues = self._heard(step, found) if heard_from else self._carried_on(step, found)
        bits = _bits(found) if self._whole else 0
        if continues is not None and self._whole:
            bits |= self._contexts[continues] | 1 << continues
            found = {i: basis for i, basis in found.items() if not self._reaches(continues, i)}
        reads = tuple(Read(i, found[i]) for i in sorted(found))
        self.steps.append(step.model_copy(update={"continues": continues, "reads": reads}))
        self._contexts.append(bits)
        self._remember(step)

    def _asked_for(self, step: Step, found: dict[int, Basis]) -> None:
        for message in step.call.messages if step.call else ():
            for call in message.tool_calls:
                self._keep_latest(self._asked.get(call.id, ()), step.agent, found)

    def _read(self, step: Step, found: dict[int, Basis]) -> None:
        assert step.call is not None  # noqa: S101
        previous = step.call.params.get("previous_response_id")
        if isinstance(previous, str) and previous in self._responses:
            before = self._responses[previous]
            if before < step.index:
                _keep(found, before, "response id")
                for index in range(before):
                    if self._contexts[before] >> index & 1:
                        _keep(found, index, "response id")
        said: Counter[str] = Counter()
        for message in step.call.messages:
            self._ids(step, message, found)
            text = message.text.strip()
            if not text:
                continue
            said[text] += 1
            for index, basis in self._scan(text):
                _keep(found, index, basis)
        for text, times in said.items():
            self._same(step, text, times, found)

    def _ids(self, step: Step, message: Message, found: dict[int, Basis]) -> None:
        for call in message.tool_calls:
            self._keep_latest(self._asked.get(call.id, ()), step.agent, found)
        if message.tool_call_id:
            self._keep_latest(self._asked.get(message.tool_call_id, ()), step.agent, found)
            self._keep_latest(self._answered.get(message.tool_call_id, ()), None, found)

    def _keep_latest(self, indices: Sequence[int], agent: str | None, found: dict[int, Basis]) -> None:
        own = [i for i in indices if self.steps[i].agent == agent]
        for index in (own or indices)[-1:]:
            _keep(found, index, "tool call")

    def _same(self, step: Step, text: str, times: int, found: dict[int, Basis]) -> None:
        """Messages that are an earlier step's text, whole: as many steps as there are such messages."""
        said = self._said.get(text)
        if said is None:
            self._before_said[text] = max(times, self._before_said.get(text, 0))
            return
        times -= self._before_said.get(text, 0)
        likely = sorted(said, key=lambda i: (i in found, self.steps[i].agent == step.agent, i), reverse=True)
        for index in likely[: max(times, 0)]:
            _keep(found, index, "verbatim")

    def _scan(self, text: str) -> tuple[tuple[int, Basis], ...]:
        """The steps whose text or ids stand in this text, which is searched when it first turns up."""
        known = self._scanned.get(text)
        if known is None:
            shorter = (said for said in self._candidates(text) if len(said) < len(text))
            inside = [self._said[said][-1] for said in shorter if _stands(said, text)]
            named = [by[-1] for name, by in self._asked.items() if len(name) >= _ID and name in text]
            echoed = [i for i, echo in self._echoes if echo in text]
            found: list[tuple[int, Basis]] = [(i, "verbatim") for i in (*inside, *echoed)]
            found += [(i, "tool call") for i in named]
            known = self._scanned[text] = tuple(found)
        return known

    def _candidates(self, text: str) -> Iterable[str]:
        """The texts said so far that can stand in this one: all of them, where there are few."""
        if len(self._said) < _FEW:
            return self._said
        heads = {text[at : at + _TELLING] for at in range(len(text) - _TELLING + 1)}
        lines = set(text.split("\n"))
        found = [said for head in heads & self._by_head.keys() for said in self._by_head[head]]
        found += [said for line in lines & self._by_line.keys() for said in self._by_line[line]]
        return found

    def _heard(self, step: Step, found: dict[int, Basis]) -> int | None:
        continues, reads = heard(self.steps, step.agent, step.kind)
        for read in reads:
            source = self.steps[read.step]
            own = source.kind == "tool" and any(
                other.step < len(self.steps) and self.steps[other.step].agent == step.agent
                for other in source.reads
                if other.basis == "tool call"
            )
            _keep(found, read.step, "tool call" if own else read.basis)
        return continues

    def _carried_on(self, step: Step, found: dict[int, Basis]) -> int | None:
        """The agent's last step, where this one's input holds all of that one's and its output."""
        own = next((i for i in sorted(found, reverse=True) if self.steps[i].agent == step.agent), None)
        if step.kind != "llm" or own is None or self.steps[own].kind != "llm":
            return None
        return own if self._extends(step, own) or not self._contexts[own] & ~_bits(found) else None

    def _extends(self, step: Step, own: int) -> bool:
        """Whether the step's input begins with the whole of the earlier one's."""
        before = self.steps[own].call
        return before is not None and step.call is not None and _begins(step.call.messages, before.messages)

    def _reaches(self, continues: int, index: int) -> bool:
        return index == continues or bool(self._contexts[continues] >> index & 1)

    def _remember(self, step: Step) -> None:
        text = step.output.strip()
        if text and step.kind != "control":
            if text not in self._said:
                long = len(text) >= _TELLING
                by, key = (self._by_head, text[:_TELLING]) if long else (self._by_line, text.partition("\n")[0])
                by[key].append(text)
            self._said[text].append(step.index)
        if step.kind == "tool":
            for message in step.call.messages if step.call else ():
                for call in message.tool_calls:
                    if call.id:
                        self._answered[call.id].append(step.index)
            return
        for call in step.tool_calls:
            if call.id:
                self._asked[call.id].append(step.index)
            self._echoes.extend((step.index, echo) for echo in self._new_texts(call.arguments))

    def _new_texts(self, arguments: str) -> list[str]:
        """The telling texts among a tool call's arguments that no input has held so far."""
        if len(arguments) > _LONGEST_ECHO:
            return []
        try:
            given = json.loads(arguments)
        except (ValueError, RecursionError):
            return []
        values = given.values() if isinstance(given, dict) else ()
        texts = [value.strip() for value in values if isinstance(value, str)]
        return [t for t in texts if len(t) >= _TELLING and not any(t in seen for seen in self._scanned)]


def _keep(found: dict[int, Basis], index: int, basis: Basis) -> None:
    """The strongest basis stays."""
    if index not in found or _STRONGEST.index(basis) < _STRONGEST.index(found[index]):
        found[index] = basis


def _begins(messages: tuple[Message, ...], with_these: tuple[Message, ...]) -> bool:
    return messages[: len(with_these)] == with_these


def _bits(found: Iterable[int]) -> int:
    bits = 0
    for index in found:
        bits |= 1 << index
    return bits


def _stands(said: str, text: str) -> bool:
    if len(said) >= _TELLING:
        return said in text
    return f"\n{said}\n" in f"\n{text}\n"
