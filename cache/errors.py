"""Every error butfor raises on purpose; each message says what happened, where, and what to do.

A message names a setting by its keyword (`judge=`); the command line says which option that is (`--judge`).

::

    ButforError
    ├── PluginError           a name stands for nothing, or for something of another kind
    ├── CallError
    │   ├── ProviderError     the model's side failed, refused or cut its answer short
    │   │   └── ModelUnavailable  nothing can be asked of it: no key, no server, no such model
    │   ├── CacheMiss         the answer is not stored and no live call is allowed
    │   ├── StoreDamaged      the store cannot be read, or a row in it is not what was written
    │   ├── BudgetExceeded    the next live call would pass a limit
    │   └── UnexpectedCall    a script was asked too much or too little
    ├── TraceError
    │   ├── UnknownFormat     no importer recognises the log
    │   └── LogFormatError    the log breaks its own format
    ├── ReplayError
    │   ├── Divergence        an unedited replay asked something that was never recorded
    │   ├── SandboxUnavailable  recorded code was to run, and it cannot be locked down here
    │   └── ProgramFailed     the user's program could not be run again
    └── ExperimentError
        ├── NotAFailure       the judge calls the recorded run a success
        ├── NotASuccess       a sham was to be made of a run that failed
        ├── LeakedAnswer      a proposed correction holds the expected answer
        └── JudgeFailed       a judge of the user's own does not judge

A mistake is an error; a finding ("no flip", "undetermined") is a value.
"""

# ruff: noqa: N818 - most of these say what happened, and need no "Error" behind it


class ButforError(Exception):
    """The root: anything butfor raises on purpose."""


class PluginError(ButforError):
    """A name stands for nothing, for what cannot be imported, or for something of another kind."""


class CallError(ButforError):
    """A call could not be answered."""


class ProviderError(CallError):
    """The model's side failed, timed out, refused, or cut its answer short; never stored."""


class ModelUnavailable(ProviderError):
    """Nothing can be asked of the model: no key, no server, no such model; asking on would be in vain."""


class CacheMiss(CallError):
    """The answer is not stored and no live call is allowed."""


class StoreDamaged(CallError):
    """The store cannot be read, or a row in it is not what was written."""


class BudgetExceeded(CallError):
    """The next live call would pass a limit that the user set."""


class UnexpectedCall(CallError):
    """A script was asked something it has no answer for, or was not asked everything it holds."""


class TraceError(ButforError):
    """A recorded run could not be read."""


class UnknownFormat(TraceError):
    """No importer recognises the log."""


class LogFormatError(TraceError):
    """The log breaks the format it appears to be in."""


class ReplayError(ButforError):
    """A recorded run could not be executed again."""


class Divergence(ReplayError):
    """An unedited replay asked something that was never recorded."""


class SandboxUnavailable(ReplayError):
    """Recorded code was to run, and it cannot be locked down on this machine."""


class ProgramFailed(ReplayError):
    """The user's program could not be run again."""


class ExperimentError(ButforError):
    """An audit cannot mean what it is asked to mean."""


class NotAFailure(ExperimentError):
    """The judge calls the recorded run a success, so there is nothing to blame."""


class NotASuccess(ExperimentError):
    """The judge calls the recorded run a failure, and a sham needs a run that succeeded."""


class JudgeFailed(ExperimentError):
    """A judge of the user's own raised, or returned something else than an `Outcome`."""


class LeakedAnswer(ExperimentError):
    """A proposed correction holds the expected answer, which the step itself did not."""
