"""Failing runs with a known cause, and the benchmarks over them."""

from .scenario import Scenario, scenarios


def scenario(name: str) -> Scenario:
    """The scenario with this name.

    Raises:
        KeyError: there is none.
    """
    return scenarios()[name]
