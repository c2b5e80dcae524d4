"""But for this step, would the run have failed? Counterfactual replay for LLM multi-agent runs.

Every name here loads where it is first used, so that `import butfor` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from butfor.cache.call import Call, Completion, Message
    from butfor.cache.errors import (
        BudgetExceeded,
        ButforError,
        CacheMiss,
        CallError,
        Divergence,
        ExperimentError,
        JudgeFailed,
        LeakedAnswer,
        LogFormatError,
        ModelUnavailable,
        NotAFailure,
        PluginError,
        ProgramFailed,
        ProviderError,
        ReplayError,
        SandboxUnavailable,
        StoreDamaged,
        TraceError,
        UnexpectedCall,
        UnknownFormat,
    )
    from butfor.counterfactual.advice import Advice
    from butfor.counterfactual.audit import swap
    from butfor.counterfactual.fleet.comparing import Comparison
    from butfor.counterfactual.fleet.fleet import Fleet
    from butfor.counterfactual.intervention import Intervention, correct, given, instruct, remove, resample
    from butfor.counterfactual.plan import Plan
    from butfor.counterfactual.ranking.suspicion import Suspicion
    from butfor.counterfactual.settings import Choices, Settings
    from butfor.counterfactual.trial import Trial
    from butfor.counterfactual.verdict import Verdict
    from butfor.counterfactual.verify import Verified
    from butfor.counterfactual.whatif import WhatIf
    from butfor.library import (
        advise,
        audit,
        blame,
        check,
        compare,
        load,
        pack,
        plan,
        rank,
        record,
        sham,
        verify,
        whatif,
    )
    from butfor.replay.inside.identity.user import agent, tool
    from butfor.replay.program.check import Checked
    from butfor.replay.program.recording import recording
    from butfor.replay.trace import Agent, Outcome, Step, Trace

__version__ = "0.1.0"

_HOMES = {
    "butfor.cache.call": ("Call", "Completion", "Message"),
    "butfor.cache.errors": (
        "BudgetExceeded", "ButforError", "CacheMiss", "CallError", "Divergence", "ExperimentError", "JudgeFailed",
        "LeakedAnswer", "LogFormatError", "ModelUnavailable", "NotAFailure", "PluginError", "ProgramFailed",
        "ProviderError", "ReplayError", "SandboxUnavailable", "StoreDamaged", "TraceError", "UnexpectedCall",
        "UnknownFormat",
    ),
    "butfor.counterfactual.advice": ("Advice",),
    "butfor.counterfactual.audit": ("swap",),
    "butfor.counterfactual.fleet.comparing": ("Comparison",),
    "butfor.counterfactual.fleet.fleet": ("Fleet",),
    "butfor.counterfactual.intervention": ("Intervention", "correct", "given", "instruct", "remove", "resample"),
    "butfor.counterfactual.plan": ("Plan",),
    "butfor.counterfactual.ranking.suspicion": ("Suspicion",),
    "butfor.counterfactual.settings": ("Choices", "Settings"),
    "butfor.counterfactual.trial": ("Trial",),
    "butfor.counterfactual.verdict": ("Verdict",),
    "butfor.counterfactual.verify": ("Verified",),
    "butfor.counterfactual.whatif": ("WhatIf",),
    "butfor.library": (
        "advise", "audit", "blame", "check", "compare", "load", "pack", "plan", "rank", "record",
        "sham", "verify", "whatif",
    ),
    "butfor.replay.program.check": ("Checked",),
    "butfor.replay.inside.identity.user": ("agent", "tool"),
    "butfor.replay.program.recording": ("recording",),
    "butfor.replay.trace": ("Agent", "Outcome", "Step", "Trace"),
}  # fmt: skip
"""Where each public name is defined."""

_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Advice",
    "Agent",
    "BudgetExceeded",
    "ButforError",
    "CacheMiss",
    "Call",
    "CallError",
    "Checked",
    "Choices",
    "Comparison",
    "Completion",
    "Divergence",
    "ExperimentError",
    "Fleet",
    "Intervention",
    "JudgeFailed",
    "LeakedAnswer",
    "LogFormatError",
    "Message",
    "ModelUnavailable",
    "NotAFailure",
    "Outcome",
    "Plan",
    "PluginError",
    "ProgramFailed",
    "ProviderError",
    "ReplayError",
    "SandboxUnavailable",
    "Settings",
    "Step",
    "StoreDamaged",
    "Suspicion",
    "Trace",
    "TraceError",
    "Trial",
    "UnexpectedCall",
    "UnknownFormat",
    "Verdict",
    "Verified",
    "WhatIf",
    "__version__",
    "advise",
    "agent",
    "audit",
    "blame",
    "check",
    "compare",
    "correct",
    "given",
    "instruct",
    "load",
    "pack",
    "plan",
    "rank",
    "record",
    "recording",
    "remove",
    "resample",
    "sham",
    "swap",
    "tool",
    "verify",
    "whatif",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'butfor' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME[name]), name)
    return found


def __dir__() -> list[str]:
    return __all__
