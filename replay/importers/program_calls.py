"""What is left of a recording that was cut short: the calls that the program had completed, a JSON object a line."""

from butfor.cache.errors import LogFormatError, ProgramFailed
from butfor.replay.trace import Ended, Trace


def sniff(head: str) -> bool:
    """Whether a file that begins like this is one."""
    return head.startswith(('{"kind": "llm", "agent"', '{"kind": "tool", "name"', '{"kind": "world", "environment"'))


def load(text: str, *, name: str) -> Trace:
    """The trace of the calls, which says that it is partial; how the program ended is not known.

    Raises:
        LogFormatError: a line is no call, or no model was asked.
    """
    from butfor.replay.program.acts import read_entries, recorded_acts, to_trace  # it needs this package itself

    entries = read_entries(text, name=name).entries
    try:
        return to_trace(recorded_acts(entries), name=name, ended=Ended(status=1, partial=True))
    except ProgramFailed as error:
        raise LogFormatError(f"{name}: {error}") from None
