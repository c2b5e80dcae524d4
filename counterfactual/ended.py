"""Did a program's run succeed? Judges of what it printed, how it ended, and what it left."""

from collections.abc import Callable

from butfor.cache.errors import ExperimentError
from butfor.replay.pattern import Pattern, pattern_of
from butfor.replay.trace import Ended, Outcome, Trace

from .judge import Judge

_SHOWN = 500


def printed(regex: str) -> Judge:
    """Success where the expression matches what the program printed on standard output.

    Raises:
        ExperimentError: it is no regular expression.
    """
    compiled = _compiled("output", regex)

    def judge(trace: Trace) -> Outcome:
        text = _ended(trace).output
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
        found = compiled.search(text)
        return _outcome(found is not None, found if found is not None else last, f"output should match /{regex}/")

    return judge


def status(trace: Trace) -> Outcome:
    """Success where the program ended with status 0.

    Raises:
        ExperimentError: no program made the run.
    """
    code = _ended(trace).status
    return _outcome(code == 0, f"exit status {code}", "the exit status should be 0")


def file(spelled: str) -> Judge:
    """Success where a file that the program wrote matches: `PATH:REGEX`; `PATH` alone, where there is one at
    all.

    Raises:
        ExperimentError: it is no regular expression.
    """
    path, _, regex = spelled.partition(":")
    compiled = _compiled("file", regex)

    def judge(trace: Trace) -> Outcome:
        text = _ended(trace).files.get(path)
        success = text is not None and compiled.search(text) is not None
        return _outcome(success, text or f"no file {path}", f"{path} should match /{regex}/")

    return judge


def passed(node: str) -> Judge:
    """Success where a pytest node passes in the directory in which the program has run."""

    def judge(trace: Trace) -> Outcome:
        tests = _ended(trace).tests
        if node not in tests:
            raise ExperimentError(f"the pytest node {node} was not run after the program")
        return _outcome(tests[node], f"{node} {'passed' if tests[node] else 'failed'}", "the test should pass")

    return judge


ENDED_JUDGES: dict[str, Callable[[str], Judge]] = {"output": printed, "file": file, "pytest": passed}
"""The judges that take an argument, by the name that `--judge NAME:ARGUMENT` takes."""


def _compiled(kind: str, regex: str) -> Pattern:
    try:
        return pattern_of(regex)
    except ValueError as error:
        raise ExperimentError(f"--judge {kind}:{regex} is not a regular expression: {error}") from None


def _ended(trace: Trace) -> Ended:
    if trace.ended is None:
        raise ExperimentError(
            f"{trace.source.name or 'the run'} was not made by a program, so there is no output, file or "
            "status to "
            "judge by; choose --judge exact, contains, pattern:REGEX or llm"
        )
    return trace.ended


def _outcome(success: bool, answer: str, explanation: str) -> Outcome:
    return Outcome(success=success, answer=answer[:_SHOWN], explanation=explanation)
