"""What can run a trace again: the `Executor` protocol, and `rerun`, the one way to do it."""

from typing import Protocol

from butfor.cache.provider import Offline, Provider

from .replayed import Edits, Recording, Replayed
from .trace import Trace


class Executor(Protocol):
    """Something that carries out a run against a provider."""

    def recording(self, trace: Trace) -> Recording:
        """The calls that the recorded run made, with their answers."""
        ...

    def run(self, trace: Trace, provider: Provider) -> Trace:
        """The run carried out again, every call answered by the provider."""
        ...


def rerun(
    trace: Trace,
    edits: Edits | None = None,
    *,
    executor: Executor,
    live: Provider | None = None,
    recording: Recording | None = None,
) -> Trace:
    """The run as it would have gone with these edits; with none, offline, the run as it was.

    `recording` saves building it anew for every edit of the same trace.

    Raises:
        Divergence: the replay left the recording before anything was changed.
        CallError: an edited run asked something that `live` could not answer.
    """
    recording = recording or executor.recording(trace)
    live = live or Offline(recording.calls)
    return executor.run(trace, Replayed(recording, edits or Edits(), live=live))
