"""Who plays whom when a run goes on: models for agents, and a policy for tools."""

from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from butfor.cache.call import Call, Completion, Message
from butfor.cache.errors import ModelUnavailable, ProviderError
from butfor.cache.provider import Provider

ToolPolicy = Literal["fail", "model", "sandbox"]
"""What happens when a tool is called as it was not recorded: an error, a model plays it, its code runs."""

_WIRE_ONLY = frozenset({"wire", "stream"})
"""Parameters of a recorded request that only its own API and transport understand."""

_PLAY = (
    "You stand in for a tool named {name} in a replayed run. Reply with exactly what the tool would print "
    "for the call below, and nothing else: no comment, no greeting. If the call is faulty, reply with the "
    "error it gives."
)


class Cast:
    """Sends the calls of a run to whoever plays the asking agent or the asked tool.

    `models` names a `provider:model` per agent, `default` one for everybody else. Parameters in `params` are
    added to every call of a model.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        default: str | None = None,
        models: Mapping[str, str] | None = None,
        tools: ToolPolicy = "fail",
        params: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self._provider = provider
        self._default = default
        self._models = models or {}
        self._tools = tools
        self._params = params or {}

    def complete(self, call: Call) -> Completion:
        """Ask who plays the part.

        Raises:
            ModelUnavailable: no model plays it.
            ProviderError: the tool may not be called anew.
        """
        if call.model.startswith("tool:"):
            return self._tool(call)
        return self._ask(call, self._model(call.agent))

    def _tool(self, call: Call) -> Completion:
        name = call.model.removeprefix("tool:")
        if self._tools == "sandbox":
            return self._provider.complete(call.model_copy(update={"model": f"sandbox:{name}"}))
        if self._tools == "fail":
            raise ProviderError(
                f"the tool {name} was called as it was not recorded, and --tools fail forbids to go on; "
                "choose --tools model (a model plays it) or --tools sandbox (its code runs, locked down)"
            )
        played = Message(role="system", content=_PLAY.format(name=name))
        asked = tuple(Message(role="user", content=message.text) for message in call.messages)
        answered = self._ask(call.model_copy(update={"messages": (played, *asked)}), self._model(name))
        return answered.model_copy(update={"origin": "simulated"})

    def _ask(self, call: Call, model: str) -> Completion:
        portable = {name: value for name, value in call.params.items() if name not in _WIRE_ONLY}
        params = {**portable, **self._params}
        return self._provider.complete(call.model_copy(update={"model": model, "params": params}))

    def _model(self, agent: str | None) -> str:
        model = self._models.get(agent or "") or self._default
        if model is None:
            raise ModelUnavailable(
                f"{agent or 'an agent'} has to answer anew, and no model plays it; give --model provider:model"
            )
        return model
