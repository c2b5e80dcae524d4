"""Who hears whom, where a log says what was said but not what each step was given.

An agent remembers: a step carries on from the agent's own last step, and reads what was said to it since. A
tool does not: it reads the message that calls it.
"""

from collections.abc import Sequence

from .trace import Kind, Read, Step


def heard(steps: Sequence[Step], agent: str, kind: Kind) -> tuple[int | None, tuple[Read, ...]]:
    """What the next step by an agent carries on from, and what it reads besides.

    For `kind` `tool`, the one message before it that is not private; for the framework, the agent's last
    message; a person reads nothing that a replay could change. Nobody hears the framework.
    """
    if kind == "human":
        return None, ()
    reads: list[Read] = []
    for step in reversed(steps):
        if step.kind == "control":
            continue
        if step.agent == agent and kind == "control":
            return None, (Read(step.index, "order"),)
        if step.agent == agent and kind == "llm":
            return step.index, tuple(reversed(reads))
        if step.audience is not None and agent not in step.audience:
            continue
        reads.append(Read(step.index, "broadcast" if step.audience is None else "addressee"))
        if kind == "tool":
            break
    return None, tuple(reversed(reads)) if kind != "control" else ()
