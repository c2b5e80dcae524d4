"""What is asked of a model and what comes back: `Call`, with its content key, and `Completion`."""

import operator
import re
import threading
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple, Protocol, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, JsonValue, PrivateAttr

from .canonical import canonical, canonical_arguments, canonical_text, plain_numbers

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
_SHORTEST_ID = 9
_ID_LIKE = re.compile(rb"[\w.:-]{9,}")
_FEW_IDS = 32
"""Up to so many ids a text is searched for each of them, past it once for all."""


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
    def _digest(self) -> bytes:
        return sha256(self._with_ids({})).digest()

    def _with_ids(self, numbers: Mapping[str, int]) -> bytes:
        """The canonical JSON of the message, its ids replaced by these numbers."""
        if isinstance(self.content, str) and not self.tool_calls and self.tool_call_id is None:
            name = b"null" if self.name is None else canonical_text(self.name)
            return b'["%b",%b,%b,[],null]' % (self.role.encode(), name, canonical_text(self.content))
        calls = [[numbers.get(c.id, c.id), c.name, canonical_arguments(c.arguments)] for c in self.tool_calls]
        answered = None if self.tool_call_id is None else numbers.get(self.tool_call_id, self.tool_call_id)
        return canonical([self.role, self.name, self.content, calls, answered]).encode()


class Tool(Frozen):
    """A tool that a model may call."""

    name: str
    description: str = ""
    parameters: Mapping[str, JsonValue] = Field(default_factory=dict)
    """JSON schema of the arguments."""

    @cached_property
    def _digest(self) -> bytes:
        return sha256(canonical([self.name, self.description, dict(self.parameters)]).encode()).digest()


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
        head = canonical([self.model, plain_numbers(params), len(self.tools)]).encode()
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


class _Ids:
    """The ids of a history, numbered by first appearance."""

    def __init__(self, known: "_Ids | None" = None) -> None:
        self.numbers: dict[str, int] = dict(known.numbers) if known else {}
        self._random: list[bytes] = list(known._random) if known else []
        self._endings: dict[bytes, tuple[bytes, ...]] = dict(known._endings) if known else {}

    def number(self, message: Message) -> None:
        """Give the message's new ids the next numbers."""
        for identifier in message.ids:
            if identifier in self.numbers:
                continue
            self.numbers[identifier] = len(self.numbers)
            if _RANDOM_ID.fullmatch(identifier):
                as_bytes = identifier.encode()
                self._random.append(as_bytes)
                end = as_bytes[-_SHORTEST_ID:]  # ids of one maker begin alike
                self._endings[end] = (*self._endings.get(end, ()), as_bytes)

    def quoted(self, text: bytes) -> set[bytes]:
        """The random ids that the text holds."""
        if len(self._random) <= _FEW_IDS:
            return {i for i in self._random if i in text}
        found = set()
        for run in _ID_LIKE.findall(text):
            for end in range(_SHORTEST_ID, len(run) + 1):
                for identifier in self._endings.get(run[end - _SHORTEST_ID : end], ()):
                    if run.endswith(identifier, 0, end):
                        found.add(identifier)
        return found


def _renamed(message: Message, ids: _Ids) -> bytes:
    """The message's digest, its ids replaced by their numbers, wherever a text quotes a random one too."""
    if not ids.numbers:
        return message._digest
    quoted = ids.quoted(message._with_ids({}))
    if not quoted and not message.ids:
        return message._digest
    text = message._with_ids(ids.numbers)
    names = {
        (name or "").encode(errors="surrogatepass") for name in (message.name, *(c.name for c in message.tool_calls))
    }
    for identifier in sorted(quoted - names, key=lambda i: (-len(i), i)):
        text = text.replace(identifier, b"\0%d\0" % ids.numbers[identifier.decode()])
    return sha256(text).digest()


class _Chain(NamedTuple):
    """A history that was digested before."""

    messages: tuple[Message, ...]
    digest: bytes
    ids: _Ids


_CHAINS_KEPT = 1024
_keeping = threading.Lock()
_chains: dict[tuple[int, int], _Chain] = {}
"""Chains by the identity of first and last message; each holds its messages, so no identity is reused."""


def _history(messages: tuple[Message, ...]) -> bytes:
    """The digest of a history, continued from its longest prefix that was digested before."""
    known = _known(messages)
    digest, ids = (known.digest, _Ids(known.ids)) if known else (b"", _Ids())
    for index in range(len(known.messages) if known else 0, len(messages)):
        message = messages[index]
        ids.number(message)
        digest = sha256(digest + _renamed(message, ids)).digest()
        if index >= len(messages) - 2:  # the last is often the question of the moment, so keep the one before it too
            _keep(_Chain(messages[: index + 1], digest, _Ids(ids)))
    return digest


def _known(messages: tuple[Message, ...]) -> _Chain | None:
    for length in range(len(messages), 0, -1):
        chain = _chains.get((id(messages[0]), id(messages[length - 1])))
        if chain and len(chain.messages) == length and all(map(operator.is_, chain.messages, messages)):
            return chain
    return None


def _keep(chain: _Chain) -> None:
    with _keeping:
        while len(_chains) >= _CHAINS_KEPT:
            del _chains[next(iter(_chains))]
        _chains[id(chain.messages[0]), id(chain.messages[-1])] = chain
