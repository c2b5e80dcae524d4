"""Who plays whom when a run goes on: models for agents, a policy for tools, and a program's own of both."""

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import JsonValue

from butfor.cache.apis.common import PORTABLE, portable
from butfor.cache.call import Asker, Call, Completion, Message
from butfor.cache.connect import shown_model
from butfor.cache.errors import ModelUnavailable, ProviderError, ReplayError
from butfor.cache.provider import Provider

ToolPolicy = Literal["fail", "model", "sandbox"]
"""What happens when a tool is called as it was not recorded: an error, a model plays it, its code runs."""

RunTools = Literal["replay", "run", "ask"]
"""The same for a tool of a running program: an error, it runs for real, a person is asked."""

OWN = "program:"
"""What the model of a call begins with that goes to the program's own model or tool."""

_WIRE_ONLY = frozenset({"wire", "stream"})
"""Parameters of a recorded request that only its own API and transport understand."""

_PLAY = (
    "You stand in for a tool named {name} in a replayed run. Reply with exactly what the tool would print "
    "for the call below, and nothing else: no comment, no greeting. If the call is faulty, reply with the "
    "error it gives."
)


class Cast:
    """Sends the calls of a run to whoever plays the asking agent or the asked tool.

    `models` names a `provider:model` per agent, `default` one for everybody else. Where a program runs and no
    model plays the agent, its own model answers. A tool that is called as it was not recorded goes as `tools`
    says, in a running program as `run_tools` says, with `ask` where `allow` says so of its name and arguments; a
    tool inside which models are asked always runs. Parameters in `params` are added to every call of a model.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        default: str | None = None,
        models: Mapping[str, str] | None = None,
        tools: ToolPolicy = "fail",
        run_tools: RunTools = "replay",
        allow: Callable[[str, str], bool] | None = None,
        params: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self._provider = provider
        # a call's model is kept and compared, and no secret of its address with it
        self._default = default and shown_model(default)
        self._models = {name: shown_model(model) for name, model in (models or {}).items()}
        self._tools = tools
        self._run_tools = run_tools
        self._allow = allow
        self._params = params or {}

    def complete(self, call: Call) -> Completion:
        """Ask who plays the part.

        Raises:
            ModelUnavailable: no model plays it.
            ProviderError: the tool may not be called anew.
        """
        tool = call.model.startswith("tool:")
        if call.asker is not None:
            return self._run(call, call.asker) if tool else self._asked(call)
        return self._tool(call) if tool else self._provider.complete(self.sent(call))

    def sent(self, call: Call) -> Call:
        """The question to an agent as whoever plays it gets it.

        Raises:
            ModelUnavailable: no model plays it.
        """
        if call.asker is None:
            return self._for(call, self._model(call.agent))
        model = self._models.get(call.agent or "") or self._default
        if model is None or call.model.startswith("embedder:"):
            return _own(call)
        shared = {key: value for key, value in call.params.items() if key in PORTABLE and key != "n"}
        return call.model_copy(update={"model": model, "params": {**shared, **self._params}})

    def _asked(self, call: Call) -> Completion:
        """A running program's question to a model."""
        asked = self.sent(call)
        completion = self._provider.complete(asked)
        return completion if asked.model.startswith(OWN) else completion.model_copy(update={"raw": None})

    def _run(self, call: Call, asker: Asker) -> Completion:
        """A running program's tool."""
        name = call.model.removeprefix("tool:")
        arguments = call.messages[0].tool_calls[0].arguments
        if asker.composite:
            return asker.live()
        if self._run_tools == "run" or (self._run_tools == "ask" and self._allow and self._allow(name, arguments)):
            return self._provider.complete(_own(call))
        raise ProviderError(
            f"the tool {name} is called as it was not recorded, with {arguments[:200]}, and would run for "
            "real; choose tools=run, or tools=ask to decide each time"
        )

    def _tool(self, call: Call) -> Completion:
        name = call.model.removeprefix("tool:")
        if self._tools == "sandbox":
            return self._provider.complete(call.model_copy(update={"model": f"sandbox:{name}"}))
        if self._tools == "fail":
            raise ProviderError(
                f"the tool {name} was called as it was not recorded, and tools=fail forbids to go on; "
                "choose tools=model (a model plays it) or tools=sandbox (its code runs, locked down)"
            )
        played = Message(role="system", content=_PLAY.format(name=name))
        asked = tuple(Message(role="user", content=message.text) for message in call.messages)
        question = self._for(call.model_copy(update={"messages": (played, *asked)}), self._model(name))
        answered = self._provider.complete(question)
        return answered.model_copy(update={"origin": "simulated"})

    def _for(self, call: Call, model: str) -> Call:
        known = {name: value for name, value in call.params.items() if name not in _WIRE_ONLY}
        return call.model_copy(update={"model": model, "params": {**known, **self._params}})

    def _model(self, agent: str | None) -> str:
        model = self._models.get(agent or "") or self._default
        if model is None:
            raise ModelUnavailable(
                f"{agent or 'an agent'} has to answer anew, and no model plays it; give model=provider:model"
            )
        return model


class Own:
    """The provider that lets the asker answer: a running program's own model or tool."""

    def complete(self, call: Call) -> Completion:
        """The answer that the program would have had.

        Raises:
            ReplayError: no running program asks.
        """
        if call.asker is None:
            raise ReplayError("a program's own model was asked outside of a running program")
        return call.asker.live()


class Verbatim:
    """Asks what the program asked, word for word: an identity has placeholders in it that no model should read.

    A call that no program makes goes on as it is.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def complete(self, call: Call) -> Completion:
        """Ask with the messages of the program's call, in the form that every provider understands."""
        if call.asker is None or call.model.startswith(OWN):
            return self._provider.complete(call)
        call.asker.counted()
        messages = tuple(portable(message) for message in call.asker.words)
        return self._provider.complete(call.model_copy(update={"messages": messages}))


def _own(call: Call) -> Call:
    return call.model_copy(update={"model": f"{OWN}{call.model}"})
