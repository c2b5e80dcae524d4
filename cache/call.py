"""What is asked of a model and what comes back: `Call`, with its content key, and `Completion`."""

import json
import operator
import re
import threading
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple, Protocol, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, JsonValue, PrivateAttr

Role = Literal["system", "user", "assistant", "tool"]

Origin = Literal["recorded", "cached", "live", "simulated", "edited"]
"""Whence an answer: the log, the store, a model just now, a model playing a tool, an intervention."""

INERT_PARAMS = frozenset(
    {"stream_options", "user", "metadata", "store", "prompt_cache_key", "safety_identifier", "service_tier",
     "timeout"}
)  # fmt: skip
"""Parameters that cannot change the answer's content, and so are no part of a call's identity."""

_RANDOM_ID = re.compile(r"(?=[^\d]*\d)[\w.:-]{9,}", re.ASCII)
"""What a text may quote only because it is an id; `1` or a tool's name in a text is content."""


class Frozen(BaseModel):
    """The base of every data class: immutable, closed, documented by its attribute docstrings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values; what was computed from the old ones (a key, a digest) is not taken over."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


def whole(value: Any) -> Any:
    """A JSON value whose texts can be written in every encoding of Unicode.

    Half an emoji (a lone surrogate, as JSON may escape one) becomes U+FFFD; two halves that stand together become one.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return value
    if isinstance(value, dict):
        return {whole(key): whole(item) for key, item in value.items()}
    return type(value)(whole(item) for item in value) if type(value) in (list, tuple) else value


Whole = Annotated[str, BeforeValidator(whole)]
"""A text that came from elsewhere."""


class ToolCall(Frozen):
    """One call of a tool, as a model asks for it."""

    id: Whole
    """The provider's id of the call; random, and so renamed by first appearance in keys."""
    name: Whole
    arguments: Whole
    """JSON text as the model wrote it; compared by value where it parses."""


class Message(Frozen):
    """One message of a conversation."""

    role: Role
    content: Annotated[str | tuple[JsonValue, ...] | None, BeforeValidator(whole)] = None
    """Text, or content parts (images, audio) kept as the JSON they came as."""
    name: Whole | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: Whole | None = None

    @property
    def text(self) -> str:
        """The content as text; the text parts joined where the content is in parts."""
        if isinstance(self.content, str):
            return self.content
        parts = (part.get("text") for part in self.content or () if isinstance(part, dict))
        return "\n".join(text for text in parts if isinstance(text, str))

    @property
    def ids(self) -> tuple[str, ...]:
        """The random ids the message carries, in order."""
        own = tuple(call.id for call in self.tool_calls)
        return own if self.tool_call_id is None else (*own, self.tool_call_id)

    @cached_property
    def _canonical(self) -> str:
        return self._with_ids({})

    @cached_property
    def _digest(self) -> bytes:
        return sha256(self._canonical.encode()).digest()

    def _with_ids(self, numbers: Mapping[str, int]) -> str:
        """The canonical JSON of the message, its ids replaced by these numbers."""
        calls = [[numbers.get(c.id, c.id), c.name, _canonical_arguments(c.arguments)] for c in self.tool_calls]
        answered = None if self.tool_call_id is None else numbers.get(self.tool_call_id, self.tool_call_id)
        return _canonical([self.role, self.name, self.content, calls, answered])


class Tool(Frozen):
    """A tool that a model may call."""

    name: str
    description: str = ""
    parameters: Mapping[str, JsonValue] = Field(default_factory=dict)
    """JSON schema of the arguments."""

    @cached_property
    def _digest(self) -> bytes:
        return sha256(_canonical([self.name, self.description, dict(self.parameters)]).encode()).digest()


class Asker(Protocol):
    """Whoever asks a call and can have it answered in its own way: a running program, by its own model or tool."""

    @property
    def words(self) -> tuple[Message, ...]:
        """The messages word for word, where the call's own have placeholders."""
        ...

    @property
    def composite(self) -> bool:
        """Whether it is a tool inside which models are asked, so that it runs, and they are answered one by one."""
        ...

    def counted(self) -> None:
        """Take note that an identical call may be looked up now; the order of arrival is kept."""
        ...

    def live(self) -> "Completion":
        """The answer of the asker's own model or tool.

        Raises:
            ProviderError: there is none to be had.
        """
        ...


class Call(Frozen):
    """One question to a model: everything that can change its answer, and nothing else."""

    model: str
    """`provider:model`, or `tool:NAME` for a question to a tool."""
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    params: Mapping[str, JsonValue] = Field(default_factory=dict)
    """Sampling and format parameters by their API names (`temperature`, `tool_choice`, `stream` …)."""
    agent: str | None = None
    """Who asks; routes the call, and is no part of its identity."""
    step: int | None = None
    """The recorded step that this call acts out again, where the executor knows; no part of its identity."""
    _asker: Asker | None = PrivateAttr(default=None)

    @property
    def asker(self) -> Asker | None:
        """Who can have it answered in its own way; no part of its identity, and never written."""
        return self._asker

    def asked_by(self, asker: Asker | None) -> "Call":
        """The call as this asker makes it."""
        copied = BaseModel.model_copy(self)  # its key stays what it is
        copied._asker = asker
        return copied

    @cached_property
    def content_key(self) -> bytes:
        """The identity of the call's content: 32 bytes.

        A Merkle digest: sha256 over model, parameters, tools, and a chain over the messages' own digests, so
        that a longer history costs only its new messages.
        """
        params: dict[str, JsonValue] = {k: v for k, v in self.params.items() if v is not None and k not in INERT_PARAMS}
        head = _canonical([self.model, _plain_numbers(params), len(self.tools)]).encode()
        return sha256(b"".join((head, *(t._digest for t in self.tools), _history(self.messages)))).digest()

    def key(self, *, occurrence: int = 0, sample: int = 0) -> str:
        """The name of one answer: 64 hexadecimal digits.

        `occurrence` counts identical calls within one run, `sample` counts repeats of the run; both from 0.
        """
        return sha256(b"%b/%d/%d" % (self.content_key, occurrence, sample)).hexdigest()


class Usage(Frozen):
    """Tokens of one call, as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0


class TokenLogprob(NamedTuple):
    """One generated token and its natural log-probability."""

    token: str
    logprob: FiniteFloat


class Completion(Frozen):
    """An answer to a call."""

    message: Message
    usage: Usage | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    finish_reason: str | None = None
    raw: str | None = None
    """The provider's own body, returned verbatim where the answer is not edited."""
    origin: Origin = "live"
    step: int | None = None
    """The recorded step whose answer this is or takes the place of; never stored."""

    @property
    def text(self) -> str:
        """The answer's text."""
        return self.message.text

    def as_stored(self) -> "Completion":
        """The answer as the store gives it back: what was live is `cached` from then on."""
        return self.model_copy(update={"origin": "cached"}) if self.origin == "live" else self


def answer(text: str, *, origin: Origin = "live", usage: Usage | None = None) -> Completion:
    """A plain text answer."""
    return Completion(message=Message(role="assistant", content=text), origin=origin, usage=usage)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _canonical_arguments(arguments: str) -> JsonValue:
    try:
        parsed: JsonValue = json.loads(arguments)
        return ["json", _canonical(_plain_numbers(parsed))]
    except (ValueError, RecursionError):
        return ["text", arguments]


def _plain_numbers(value: JsonValue) -> JsonValue:
    """1.0 and 1 are one number to every API, so they must be one key."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    return value


class _Chain(NamedTuple):
    """The digest of a history, and its ids numbered by first appearance."""

    messages: tuple[Message, ...]
    digest: bytes
    ids: dict[str, int]

    def then(self, message: Message) -> "_Chain":
        """The chain one message longer."""
        new = [i for i in message.ids if i not in self.ids]
        ids = self.ids | {i: len(self.ids) + n for n, i in enumerate(dict.fromkeys(new))} if new else self.ids
        digest = sha256(self.digest + _renamed(message, ids)).digest()
        return _Chain((*self.messages, message), digest, ids)


def _renamed(message: Message, ids: Mapping[str, int]) -> bytes:
    """The message's digest, its ids replaced by their numbers, wherever a text quotes a random one too."""
    quoted = [i for i in ids if _RANDOM_ID.fullmatch(i) and i in message._canonical]
    if not quoted and not message.ids:
        return message._digest
    text = message._with_ids(ids)
    names = {message.name, *(call.name for call in message.tool_calls)}
    for identifier in sorted(set(quoted) - names, key=len, reverse=True):
        text = text.replace(identifier, f"\0{ids[identifier]}\0")
    return sha256(text.encode()).digest()


_EMPTY = _Chain((), b"", {})
_CHAINS_KEPT = 1024
_keeping = threading.Lock()
_chains: dict[tuple[int, int], _Chain] = {}
"""Chains by the identity of first and last message; each holds its messages, so no identity is reused."""


def _history(messages: tuple[Message, ...]) -> bytes:
    """The digest of a history, continued from its longest prefix that was digested before."""
    chain = _EMPTY
    for length in range(len(messages), 0, -1):
        known = _chains.get((id(messages[0]), id(messages[length - 1])))
        if known and len(known.messages) == length and all(map(operator.is_, known.messages, messages)):
            chain = known
            break
    fresh = messages[len(chain.messages) :]
    for ahead, message in zip(range(len(fresh) - 1, -1, -1), fresh, strict=True):
        chain = chain.then(message)
        if ahead <= 1:  # the last message is often the question of the moment, so keep the one before it too
            _keep(chain)
    return chain.digest


def _keep(chain: _Chain) -> None:
    with _keeping:
        while len(_chains) >= _CHAINS_KEPT:
            del _chains[next(iter(_chains))]
        _chains[id(chain.messages[0]), id(chain.messages[-1])] = chain
