"""The rankers by name: `ranker_of`."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from butfor.cache.errors import ButforError
from butfor.cache.plugin import resolve
from butfor.cache.provider import Provider
from butfor.replay.trace import Trace

from .suspicion import Ranker

BUILT_IN = ("combined", "learned", "trajectory", "confidence")
"""The methods that ask nobody."""


def ranker_of(
    method: str,
    *,
    asked: Provider,
    model: str | None = None,
    successes: Sequence[Trace] = (),
    trained: Path | None = None,
) -> Ranker:
    """The ranker of a name, or of `module:function`.

    `asked` answers the methods that have a `model` read the log; `successes` are successful runs of the same task, and
    `trained` is a file that `butfor train` wrote.

    Raises:
        ButforError: nothing has the name, or the method needs a model.
    """
    from butfor.replay.importers import read_text

    from .combined import combining
    from .confidence import asked_of, confidence
    from .learned import read_model, shipped_model
    from .reading import Method, reading
    from .trajectory import along

    own = read_model(read_text(trained), name=trained.name) if trained else None
    if method == "combined":
        return combining(successes=successes, model=own)
    if method == "learned":
        return own or shipped_model()
    if method == "trajectory":
        return along(*successes)
    if method == "confidence" and model is None:
        return confidence
    readings: dict[str, Method] = {name: name for name in get_args(Method)}
    if method not in (*readings, "confidence"):
        return resolve("ranker", method, dict.fromkeys((*BUILT_IN, *readings), confidence))
    if model is None:
        raise ButforError(f"method={method} has a model read the log; give model=provider:model")
    if method == "confidence":
        return asked_of(asked, model=model)
    return reading(asked, model=model, method=readings[method])
