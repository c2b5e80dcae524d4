"""Tools and their calls, in the spellings of all APIs and frameworks."""

import json

from butfor.cache.call import Call, Message, Tool, ToolCall

from .fields import Field

_NAMES = ("name", "toolName", "tool_name", "function_name")
_IDS = ("id", "call_id", "tool_call_id", "toolCallId", "tool_use_id", "callId")
_ARGUMENTS = ("arguments", "args", "input", "parameters", "kwargs", "rawInput")


def tool_calls(field: Field) -> tuple[ToolCall, ...]:
    """The calls under `tool_calls`, in order."""
    return tuple(tool_call(item) for item in field.listed("tool_calls"))


def tool_call(field: Field) -> ToolCall:
    """A call of a tool, its name and arguments beside its id or in a `function` below it.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    function = field.get("function") or field.get("functionCall") or field.get("function_call") or field
    if not function.is_object:
        function = field
    named = first(function, *_NAMES) or function.need("function", "the tool's name")
    given = first(function, *_ARGUMENTS)
    identifier = first(field, *_IDS) or first(function, *_IDS)
    return ToolCall(id=identifier.label() if identifier else "", name=named.text(), arguments=arguments(given))


def first(field: Field, *keys: str) -> Field | None:
    """The object's value under the first of these keys that has one."""
    return next((found for key in keys if (found := field.get(key)) is not None), None)


def arguments(field: Field | None) -> str:
    """A tool call's arguments as JSON text; text is kept as the model wrote it."""
    if field is None:
        return "{}"
    return field.text() if field.is_text else json.dumps(field.json(), ensure_ascii=False)


def same_arguments(call: ToolCall, given: Field | None) -> bool:
    """Whether a tool was given these arguments, as a value or as JSON text."""
    if given is None:
        return False
    if given.value == call.arguments:
        return True
    try:
        value = given.value if not given.is_text else json.loads(given.text())
        return bool(json.loads(call.arguments) == value)
    except (ValueError, RecursionError):
        return False


def tool(field: Field) -> Tool:
    """A tool that a model may call, in the spelling of any API.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    function = field.get("function") or field
    spellings = ("parameters", "parameters_json_schema", "input_schema")
    schema = next((f for key in spellings if (f := function.get(key))), None)
    given = schema.fields() if schema is not None and schema.is_object else {}
    return Tool(
        name=function.text("name"),
        description=function.maybe_text("description") or "",
        parameters={key: value.json() for key, value in given.items()},
    )


def tools(field: Field | None) -> tuple[Tool, ...]:
    """The tools of a list, in order; what is no function (a hosted tool without a name) is left out."""
    listed = field.items() if field is not None else []
    return tuple(tool(item) for item in listed if item.get("name") or item.dig("function", "name"))


def question_to_tool(call: ToolCall) -> Call:
    """The call of a tool as a `Call`: the tool's name and arguments as text, and the call itself."""
    asked = Message(role="assistant", content=f"{call.name}({call.arguments})", tool_calls=(call,))
    return Call(model=f"tool:{call.name}", messages=(asked,))
