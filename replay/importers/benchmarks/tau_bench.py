"""tau-bench's and tau2's results: a customer played by a model, an agent with tools, and the reward of each run."""

import json
from collections.abc import Mapping, Sequence

from butfor.cache.call import ToolCall
from butfor.replay.reading.assemble import assemble
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import plain, question_to_tool, tool_calls, usage
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.sniffing import keys
from butfor.replay.trace import Agent, Outcome, Step, Trace

FORMAT = "tau-bench"
_PASSED = 1.0


def sniff(head: str) -> bool:
    """Runs with a `traj` and a `reward`, or `simulations` of tasks."""
    found = keys(head).keys()
    return {"traj/role", "reward", "task_id"} <= found or {"simulations/messages", "tasks/id"} <= found or (
        {"tasks/evaluation_criteria", "tasks/user_scenario", "info"} <= found
    )  # fmt: skip


def load(text: str, *, name: str) -> Trace:
    """The trace of the only run in a file.

    Raises:
        LogFormatError: a field is missing or wrong, or there are several runs.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The runs in a file: a simulation's id, or `TASK` and, where it was tried again, `TASK.TRIAL`."""
    records = parse_records(text, name=name)
    tasks: dict[str, Field] = {}
    models: dict[str, str] = {}
    found = records
    if len(records) == 1 and records[0].get("simulations") is not None:
        log = records[0]
        tasks = {plain(task.need("id")): task for task in log.listed("tasks")}
        models = {speaker: model.text() for speaker, key in (("agent", "agent_info"), ("user", "user_info"))
                  if (model := log.dig("info", key, "llm")) is not None and model.is_text}  # fmt: skip
        found = log.listed("simulations")
    named: dict[str, Field] = {}
    for record in found:
        task, trial = plain(record.need("task_id", "the task's id")), record.get("trial")
        one = record.maybe_text("id") or task
        named[one if one not in named else f"{one}.{plain(trial) or len(named)}"] = record
    return {
        one: _run(record, tasks.get(plain(record.get("task_id"))), models, name_of(name, one, len(named)))
        for one, record in named.items()
    }


def _run(record: Field, task: Field | None, models: Mapping[str, str], name: str) -> Run:
    return lambda: _trace(record, task, models, name)


def _trace(record: Field, task: Field | None, models: Mapping[str, str], name: str) -> Trace:
    listed = record.get("traj") or record.need("messages", "a list of messages")
    prompts: list[str] = []
    steps: list[Step] = []
    asked: dict[str, tuple[ToolCall, str]] = {}
    for message in listed.items():
        if message.maybe_text("role") == "system" and not steps:
            prompts.append(plain(message.get("content")))
            continue
        steps.extend(_steps(message, asked))
    agents = [
        Agent(name="agent", system_prompt="\n\n".join(prompts) or None, model=models.get("agent")),
        Agent(name="user", description="the customer, played by a model", model=models.get("user")),
    ]
    return assemble(steps, format=FORMAT, name=name, task=_task(record, task, steps), agents=agents,
                    expected=_expected(record, task), outcome=_outcome(record, steps))  # fmt: skip


def _steps(message: Field, asked: dict[str, tuple[ToolCall, str]]) -> list[Step]:
    role = message.text("role")
    if role == "tool":
        return [_result(item, asked) for item in message.listed("tool_messages") or [message]]
    calls = tool_calls(message)
    speaker = "user" if role == "user" else "agent"
    asked.update({call.id: (call, speaker) for call in calls if call.id})
    said = plain(message.get("content"))
    aside = bool(calls) and not said
    return [
        Step(
            index=0,
            agent=speaker,
            output=said,
            tool_calls=calls,
            audience=() if aside else None,
            usage=usage(message.get("usage")),
            started=message.time("timestamp"),
        )
    ]


def _result(item: Field, asked: Mapping[str, tuple[ToolCall, str]]) -> Step:
    identifier = item.maybe_text("tool_call_id") or item.maybe_text("id") or ""
    call, caller = asked.get(identifier, (None, None))
    output, failed = plain(item.get("content")), item.get("error")
    wrong = output.startswith("Error") or (failed is not None and failed.value is True)
    return Step(
        index=0,
        agent=call.name if call else item.maybe_text("name") or "tool",
        kind="tool",
        output=output,
        audience=(caller or ("user" if item.maybe_text("requestor") == "user" else "agent"),),
        call=question_to_tool(call) if call else None,
        error=output if wrong else None,
        ended=item.time("timestamp"),
    )


def _task(record: Field, task: Field | None, steps: Sequence[Step]) -> str | None:
    told = record.dig("info", "task", "instruction") or (task.dig("user_scenario", "instructions") if task else None)
    if told is None:
        return next((step.output for step in steps if step.agent == "user"), None)
    if not told.is_object:
        return plain(told)
    return "\n".join(plain(value) for value in told.fields().values())


def _expected(record: Field, task: Field | None) -> str | None:
    wanted = record.dig("info", "task", "actions") or (task.dig("evaluation_criteria", "actions") if task else None)
    return json.dumps(wanted.json(), ensure_ascii=False) if wanted is not None and wanted.value else None


def _outcome(record: Field, steps: Sequence[Step]) -> Outcome | None:
    reward = record.get("reward") or record.dig("reward_info", "reward")
    if reward is None:
        return None
    ended = record.maybe_text("termination_reason")
    answer = next((step.output for step in reversed(steps) if step.agent == "agent" and step.output), None)
    told = f"reward {reward.number():g}" + (f", ended by {ended}" if ended else "")
    return Outcome(success=reward.number() >= _PASSED, answer=answer, explanation=told)
