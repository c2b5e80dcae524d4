"""Runs as the MAST authors' own repository keeps them: one file a run, without the name of its system.

The runs of AG2 and of peer review are messages, those of HyperAgent lines, those of MetaGPT one text; the
text is told apart as in MAST-Data.
"""

import json
from collections.abc import Mapping

from butfor.replay.importers import mast
from butfor.replay.reading.fields import Field, parse_json
from butfor.replay.reading.messages import plain
from butfor.replay.reading.sniffing import keys
from butfor.replay.trace import Outcome, Trace

FORMAT = "mast-repository"


def sniff(head: str) -> bool:
    """A `trajectory` beside a problem, or a `run_id` beside a prompt and the log's text."""
    found = keys(head).keys()
    if "mas_name" in found or "trajectory/action" in found or "messages" in found:
        return False
    return {"problem_statement", "trajectory", "instance_id"} <= found or {"run_id", "prompt", "content"} <= found


def load(text: str, *, name: str) -> Trace:
    """The trace of a run.

    Raises:
        LogFormatError: the run's log is by no system that is known.
    """
    log = Field(parse_json(text, name=name), name)
    given = {key: value.json() for key, value in log.fields().items()}
    rounds = log.get("trajectory")
    if rounds is not None and rounds.is_object:
        given["trajectory"] = [item.json() for listed in rounds.fields().values() for item in listed.items()]
    record = {"mas_name": "the MAST repository", "trace": {"trajectory": given}}
    found = mast.load(json.dumps(record), name=name)
    source = found.source.model_copy(update={"format": FORMAT, "name": name})
    return found.model_copy(update={"source": source, **_judged(log)})


def _judged(log: Field) -> Mapping[str, object]:
    """The expected answer and whether it was given, where the benchmark said so."""
    expected, given = log.dig("other_data", "answer"), log.dig("other_data", "given")
    correct = log.dig("other_data", "correct")
    judged: dict[str, object] = {}
    if expected is not None:
        judged["expected"] = plain(expected)
    if correct is not None and isinstance(correct.value, bool):
        judged["outcome"] = Outcome(success=correct.value, answer=plain(given) if given is not None else None)
    return judged
