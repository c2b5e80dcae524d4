"""Who answers when a running program asks something new: its own model, another one in an agent's place,
its tools.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import JsonValue

from butfor.cache.apis.common import PORTABLE
from butfor.cache.call import Call, Completion, Message
from butfor.cache.errors import ProviderError
from butfor.cache.provider import Provider

from .answering import current

OWN = "program:"
"""What the model of a call begins with that goes to the program's own model or tool."""

RunTools = Literal["replay", "run", "ask"]
"""What happens when a tool is called as it was not recorded: an error, it runs for real, a person is
asked.
"""


class Players:
    """Sends what a program asks anew to its own model, or to the model that plays the asking agent.

    `models` names a `provider:model` per agent, `default` one for everybody else. A tool inside which a model
    was asked always runs again; any other as `tools` says, and with `ask` where `allow` says so of its name
    and arguments.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        models: Mapping[str, str] | None = None,
        default: str | None = None,
        tools: RunTools = "replay",
        allow: Callable[[str, str], bool] | None = None,
        params: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self._provider = provider
        self._models = models or {}
        self._default = default
        self._tools = tools
        self._allow = allow
        self._params = params or {}

    def complete(self, call: Call) -> Completion:
        """Ask who plays the part.

        Raises:
            ProviderError: it is a tool, and must not run.
        """
        if call.model.startswith("tool:"):
            return self._tool(call)
        model = self._models.get(call.agent or "") or self._default
        if model is None or call.model.startswith("embedder:"):
            return self._provider.complete(_own(call))
        portable = {key: value for key, value in call.params.items() if key in PORTABLE and key != "n"}
        asked = call.model_copy(update={"model": model, "params": {**portable, **self._params}})
        return self._provider.complete(asked).model_copy(update={"raw": None})

    def _tool(self, call: Call) -> Completion:
        exchange = current()
        name = call.model.removeprefix("tool:")
        arguments = call.messages[0].tool_calls[0].arguments
        if exchange.composite:
            return exchange.live()
        if self._tools == "run" or (self._tools == "ask" and self._allow and self._allow(name, arguments)):
            return self._provider.complete(_own(call))
        raise ProviderError(
            f"the tool {name} is called as it was not recorded, with {arguments[:200]}, and would run for "
            "real; "
            "choose --tools run, or --tools ask to decide each time"
        )


class Verbatim:
    """Asks what the program asked, word for word: an identity has placeholders in it that no model should
    read.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def complete(self, call: Call) -> Completion:
        """Ask with the messages of the program's call, in the form that every provider understands."""
        if call.model.startswith(OWN):
            return self._provider.complete(call)
        exchange = current()
        exchange.counted.set()
        messages = tuple(_portable(message) for message in exchange.call.messages)
        return self._provider.complete(call.model_copy(update={"messages": messages}))


def _own(call: Call) -> Call:
    return call.model_copy(update={"model": f"{OWN}{call.model}"})


def _portable(message: Message) -> Message:
    if message.content is None or isinstance(message.content, str):
        return message
    kinds = {part.get("type") for part in message.content if isinstance(part, dict)}
    return message if kinds <= {"text", "image_url"} else message.model_copy(update={"content": message.text})
