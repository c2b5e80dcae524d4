"""A set holds what is needed, calls the rest what it is, and is not reported where one member does."""

import pytest
from acted import acted, chance, corrections, experiment

from butfor.cache.call import Call
from butfor.counterfactual.experiment import BRANCH
from butfor.counterfactual.search import bisect, exhaustive, screen
from butfor.counterfactual.verdict import Verdict, attribute

INNOCENT = 3
OUTPUTS = [*(f"fine {n}" for n in range(INNOCENT)), "wrong one", "wrong two", "bad"]
FEEDS = acted(OUTPUTS, [*([] for _ in OUTPUTS[:-1]), range(len(OUTPUTS) - 1)])
EVERYBODY = corrections(
    {**{n: f"fine {n}, in short" for n in range(INNOCENT)}, INNOCENT: "mended one", INNOCENT + 1: "mended two"}
)
PAIR = (INNOCENT, INNOCENT + 1)


def audited(world: int, success: float, *, either: bool = False) -> Verdict:
    def play(call: Call) -> str:
        heard = "\n".join(message.text for message in call.messages)
        enough = heard.count("mended") >= (1 if either else 2)
        lucky = chance(world, heard, call.params.get("seed")) < success
        return f"{'good' if enough and lucky else 'bad'} {call.params.get('seed')}"

    return attribute(experiment(FEEDS, play, proposer=EVERYBODY), screen, controls=False)


@pytest.mark.parametrize("success", [1.0, 0.6, 0.5])
def test_no_innocent_step_is_said_to_be_needed(success: float) -> None:
    found = [audited(world, success) for world in range(4 if success == 1 else 8)]
    for verdict in found:
        assert verdict.verdict in ("set", "undetermined", "no flip")
        needed = {step for step, role in verdict.roles.items() if role == "only together"}
        assert needed <= set(PAIR)
        for step in set(verdict.members) - set(PAIR):
            assert verdict.roles[step] == "may not be needed"
            assert any(f"{step} (" in caveat and "may not be needed" in caveat for caveat in verdict.caveats)
    if success == 1:
        assert {verdict.members for verdict in found} == {PAIR}


def test_where_either_of_two_does_alone_there_is_no_set() -> None:
    found = audited(0, 1.0, either=True)
    assert (found.verdict, found.step) == ("blamed", INNOCENT)


@pytest.mark.parametrize("search", [bisect, exhaustive, screen])
def test_a_step_that_was_right_by_luck_in_the_run_the_corrector_saw_is_corrected_all_the_same(search) -> None:  # type: ignore[no-untyped-def]
    """Both steps are needed; the second, asked anew, is right only where the corrector looks."""
    chain = acted(["wrong one", "wrong two", "bad"], [[], [0], [0, 1]])

    def audit() -> Verdict:
        def play(call: Call) -> str:
            heard = "\n".join(message.text for message in call.messages)
            if call.step == 1:
                lucky = "mended one" in heard and int(str(call.params["seed"])) // 1_000 == BRANCH
                return f"{'mended' if lucky else 'wrong'} two {call.params.get('seed')}"
            return f"{'good' if heard.count('mended') == 2 else 'bad'} {call.params.get('seed')}"

        def propose(trace, step):  # type: ignore[no-untyped-def]
            if trace.steps[step].output.startswith("mended"):
                return ()
            return corrections({0: "mended one", 1: "mended two"})(trace, step)

        return attribute(experiment(chain, play, proposer=propose), search, controls=False)

    found = audit()
    assert (found.verdict, found.members) == ("set", (0, 1))
