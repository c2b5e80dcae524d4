"""`--help` shows every default as it is, groups the options, and lists the commands as they are met."""

import re

import pytest
from commandline import butfor

from butfor.counterfactual.settings import _GROUPED, CHOICES, Settings
from butfor.options import AUDIT_SETTINGS, MODELS, SPENDING, TRIALS, as_options

SETTINGS = Settings()


def default(setting: str) -> object:
    group, name = _GROUPED.get(setting, (None, setting))
    return getattr(getattr(SETTINGS, group) if group else SETTINGS, name)


@pytest.mark.parametrize("setting", AUDIT_SETTINGS)
def test_a_default_that_is_printed_is_the_default(setting: str) -> None:
    printed = re.search(r"Default: (.+?)\.$", AUDIT_SETTINGS[setting].__metadata__[0].help)
    value = default(setting)
    if value is None or isinstance(value, dict | tuple):
        assert printed is None or printed[1] in ("--model", "exact")
    elif not isinstance(value, bool) or printed:
        shown = {True: "on", False: "off"}.get(value) if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)  # fmt: skip # noqa: E501
        assert printed is not None
        assert printed[1].partition(";")[0] == shown


def test_every_setting_of_the_library_is_an_option_and_the_other_way_round() -> None:
    assert set(AUDIT_SETTINGS) | {"models"} == set(CHOICES)


def test_the_commands_stand_in_the_order_in_which_they_are_met() -> None:
    listed = re.findall(r"^\W+([a-z]+)  +[A-Z]", butfor("--help").out, re.MULTILINE)
    expected = ["import", "show", "rank", "record", "check", "pack", "verify", "whatif", "plan", "blame", "sham"]
    assert [name for name in listed if name in expected] == expected


def test_the_options_stand_in_groups() -> None:
    shown = butfor("blame", "--help").out
    assert all(f"─ {panel} ─" in shown for panel in (MODELS, TRIALS, SPENDING))


def test_an_option_that_cannot_matter_is_not_there() -> None:
    assert "--search" not in butfor("whatif", "--help").out
    assert "--judge" not in butfor("plan", "--help").out
    assert "--cache" not in butfor("check", "--help").out


def test_a_setting_in_a_message_is_told_as_its_option() -> None:
    assert (
        as_options("raise max_calls=, or give prices=openai:x=1/2") == "raise --max-calls, or give --price openai:x=1/2"
    )
