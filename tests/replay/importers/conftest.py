"""What the importers' tests share: where the sample logs are, and a trace told in lines."""

from collections.abc import Callable
from pathlib import Path

import pytest

from butfor.replay.trace import Step, Trace

LOGS = Path(__file__).parents[2] / "logs"


@pytest.fixture
def logs() -> Path:
    """The folder of sample logs, one folder a format."""
    return LOGS


@pytest.fixture
def told() -> Callable[[Trace], list[str]]:
    """Tells a trace in lines: who acts, which tools are called, what each step carries on from and reads."""
    return lambda trace: [_line(step) for step in trace.steps]


def _line(step: Step) -> str:
    parts = [f"{step.index} {step.agent} {step.kind}"]
    parts += [f"calls {call.name}" for call in step.tool_calls]
    if step.continues is not None:
        parts.append(f"continues {step.continues}")
    parts += [f"reads {read.step} by {read.basis}" for read in step.reads]
    return ", ".join(parts)
